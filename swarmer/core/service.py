"""One service as Consul's agent takes it, and what Consul takes at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

HEALTH_TTL: Final = "87600h"
"""Of the check whose status the registrator sets: Consul knows none without a TTL, ten years are as good."""
PASSING: Final = "passing"
WARNING: Final = "warning"
CRITICAL: Final = "critical"
STATUSES: Final = (PASSING, WARNING, CRITICAL)

LONGEST_LABEL: Final = 63
"""Of a DNS name's part: RFC 1035."""
LARGEST_PORT: Final = 65535


@dataclass(frozen=True, kw_only=True)
class Service:
    """One service as Consul's agent takes it."""

    id: str
    name: str
    address: str
    """Empty: Consul answers with its node's."""
    port: int
    tags: tuple[str, ...] = ()
    meta: Mapping[str, str] = field(default_factory=dict)
    check: Mapping[str, Any] | None = None
    """In the words of Consul's API: HTTP, Interval …"""
    health: str | None = None
    """What the image's HEALTHCHECK says, as a status of Consul's; None: there is none."""
    health_output: str = field(default="", compare=False)
    """What it printed last."""

    @classmethod
    def of_agent(cls, key: str, raw: Mapping[str, Any]) -> Service:
        """What Consul's agent has under this id. Raises LookupError or TypeError where it is none."""
        return cls(
            id=key,
            name=raw["Service"],
            address=raw["Address"],
            port=raw["Port"],
            tags=tuple(raw["Tags"] or ()),
            meta=raw["Meta"] or {},
        )

    @property
    def health_check(self) -> Mapping[str, Any] | None:
        """The check that carries `health`."""
        if self.health is None:
            return None
        return {"Name": "HEALTHCHECK", "TTL": HEALTH_TTL, "Status": self.health}

    def to_json(self) -> dict[str, Any]:
        """What `swarmer registrator plan` prints."""
        return {
            "id": self.id,
            "name": self.name,
            "address": self.address,
            "port": self.port,
            "tags": list(self.tags),
            "meta": dict(self.meta),
            "check": self.check or self.health_check,
        }
