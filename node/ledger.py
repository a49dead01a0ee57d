"""What one Consul agent has of this registrator: read at a comparison, kept while it writes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from swarmer.adapters.catalogue import Catalogue, Refused
from swarmer.core import registration
from swarmer.core.registration import CONTAINER, Entry, Options, Service
from swarmer.core.registration.differences import as_declared, is_declared


@dataclass
class Ledger:
    """Writes differences only. What it raises is `catalogue.Unavailable`: then it is to be read again."""

    catalogue: Catalogue
    say: Callable[[str], None]
    news: Callable[[str, str], None]
    """About what, and a text that is said once."""
    present: dict[str, Entry] | None = None
    """What the agent has, by service id; None: unknown."""
    _granted: dict[str, tuple[Service, Service | None]] = field(default_factory=dict)
    """What the agent refused: asked for → declared instead."""

    def read(self) -> None:
        """All of it; what was refused is tried again."""
        self._granted.clear()
        try:
            self.present = {entry.service.id: entry for entry in self.catalogue.entries()}
        except Refused as exc:
            self.present = {}
            self.news("consul", f"Consul does not show what is declared: {exc}")

    def ids_of(self, container: str) -> list[str]:
        """Ids of what is declared for a container, by its short id."""
        return [
            key for key, each in (self.present or {}).items() if each.service.meta.get(CONTAINER) == container
        ]

    def write(
        self,
        wanted: Mapping[str, Service],
        touched: Iterable[str] | None,
        *,
        options: Options,
        kept: Collection[str],
    ) -> None:
        """The differences, of all services or of those `touched`; nothing while `present` is unknown."""
        if self.present is None:
            return
        wanted, present = self._takes(wanted), self.present
        if touched is not None:
            ids = dict.fromkeys(touched)
            wanted = {key: wanted[key] for key in ids if key in wanted}
            present = {key: present[key] for key in ids if key in present}
        changes = registration.compare(
            wanted, present.values(), hostname=options.hostname, engine=options.engine, kept=kept
        )
        for service in changes.declare:
            self._declare(service)
        for service in changes.confirm:
            self._confirm(service)
        for service_id in changes.remove:
            self._remove(service_id)

    def _takes(self, wanted: Mapping[str, Service]) -> Mapping[str, Service]:
        """What the agent will have of it, as far as it said."""
        found = dict(wanted)
        for key, (asked, granted) in self._granted.items():
            if found.get(key) == asked:
                if granted:
                    found[key] = granted
                else:
                    del found[key]
        return found

    def _declare(self, service: Service) -> None:
        """As it should be, or as the agent takes it."""
        before = (self.present or {}).get(service.id)
        try:
            self.catalogue.register(service)
        except Refused as exc:
            self._declare_less(service, before, exc)
            return
        self._take(service)
        self.say(f"{service.name} is {service.address}:{service.port}")
        # Consul keeps the state of a check that it had already, and takes no output at a registration.
        had = before.health if before else None
        if service.health and (service.health_output or had not in (None, service.health)):
            self._confirm(service)

    def _declare_less(self, service: Service, before: Entry | None, refusal: Refused) -> None:
        """Without its check, which is what agents refuse; where that does not help, not at all."""
        less = replace(service, check=None)
        granted: Service | None = None
        if service.check:
            try:
                if before is None or not is_declared(less, before):
                    self.catalogue.register(less)
                granted = less
            except Refused as exc:
                refusal = exc
        self._granted[service.id] = (service, granted)
        if granted:
            self._take(granted)
        what = "declared without its check" if granted else "not declared"
        self.news(service.id, f"{service.id}: {what}, Consul says {refusal}")

    def _confirm(self, service: Service) -> None:
        """The state of its HEALTHCHECK."""
        try:
            self.catalogue.confirm(service)
        except Refused as exc:
            # Somebody took the check away: the next comparison declares it anew.
            self.news(service.id, f"{service.id}: {exc}")
            return
        self._take(service)
        self.say(f"{service.name} at {service.address}:{service.port} is {service.health}")

    def _remove(self, service_id: str) -> None:
        try:
            self.catalogue.deregister(service_id)
        except Refused as exc:
            self.news(service_id, f"{service_id}: cannot be removed, Consul says {exc}")
            return
        gone = self.present.pop(service_id, None) if self.present else None
        if gone:
            self.say(f"{gone.service.name} is gone from {gone.service.address}:{gone.service.port}")

    def _take(self, service: Service) -> None:
        if self.present is not None:
            self.present[service.id] = as_declared(service)
