"""Values from the JSON of Consul's API that both adapters of Consul read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swarmer.core.service import Service


def agent_service(service_id: str, raw: Mapping[str, Any]) -> Service:
    """Service from one entry of `GET /v1/agent/services`. Raises LookupError or TypeError for other JSON."""
    return Service(
        id=service_id,
        name=raw["Service"],
        address=raw["Address"],
        port=raw["Port"],
        tags=tuple(raw["Tags"] or ()),
        meta=raw["Meta"] or {},
    )
