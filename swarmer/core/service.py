"""Service in the form of Consul's agent, and Consul's limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

HEALTH_TTL: Final = "87600h"
"""TTL of the check whose status the registrator sets: ten years, because Consul has no such check without a
TTL."""
PASSING: Final = "passing"
WARNING: Final = "warning"
CRITICAL: Final = "critical"
STATUSES: Final = (PASSING, WARNING, CRITICAL)
"""Statuses of a check in Consul."""

LONGEST_LABEL: Final = 63
"""Maximum length of one label of a DNS name: RFC 1035."""
LARGEST_PORT: Final = 65535
"""Highest port number."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """One service in the form of Consul's agent."""

    id: str
    name: str
    address: str
    """Address of the service; if empty, Consul answers with the node's address."""
    port: int
    tags: tuple[str, ...] = ()
    meta: Mapping[str, str] = field(default_factory=dict)
    check: Mapping[str, Any] | None = None
    """Definition of the check in the words of Consul's API: HTTP, Interval …"""
    health: str | None = None
    """Status of the image's HEALTHCHECK in Consul's words; None if there is none."""
    health_output: str = field(default="", compare=False)
    """Last output of the HEALTHCHECK."""

    @property
    def health_check(self) -> Mapping[str, Any] | None:
        """Check that carries `health`."""
        if self.health is None:
            return None
        return {"Name": "HEALTHCHECK", "TTL": HEALTH_TTL, "Status": self.health}

    def to_json(self) -> dict[str, Any]:
        """Return the value that `swarmer registrator plan` prints."""
        return {
            "id": self.id,
            "name": self.name,
            "address": self.address,
            "port": self.port,
            "tags": list(self.tags),
            "meta": dict(self.meta),
            "check": self.check or self.health_check,
        }
