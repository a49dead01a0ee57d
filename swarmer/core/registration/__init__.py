"""Consul services of a container, in the way of gliderlabs/registrator. Pure; standard library only.

`Container` + `Options` → `plan` → services and complaints; `compare` → differences to write.
docs/reference/registrator.md has the rules, and the differences from the original's rules.
"""

from __future__ import annotations

from swarmer.core.registration.differences import Changes, Entry, compare
from swarmer.core.registration.markers import CONTAINER, ENGINE, MARKER
from swarmer.core.registration.options import Options
from swarmer.core.registration.services import Plan, plan
from swarmer.core.service import HEALTH_TTL, Service

__all__ = [
    "CONTAINER",
    "ENGINE",
    "HEALTH_TTL",
    "MARKER",
    "Changes",
    "Entry",
    "Options",
    "Plan",
    "Service",
    "compare",
    "plan",
]
