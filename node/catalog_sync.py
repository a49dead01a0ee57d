"""Services of this registrator in one Consul agent: read at a comparison, updated by each write."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from swarmer.adapters.catalogue import Catalogue, Refused
from swarmer.core import registration
from swarmer.core.registration import CONTAINER, Entry, Options, Service
from swarmer.core.registration.differences import as_declared, is_declared


@dataclass
class CatalogSync:
    """Writer of differences to one agent. After `catalogue.Unavailable` the services must be read again."""

    catalogue: Catalogue
    log: Callable[[str], None]
    log_once: Callable[[str, str], None]
    """Logger that takes a subject and a text; it logs a repeated text once."""
    entries: dict[str, Entry] | None = None
    """Entries of the agent by service ID; None if they are unknown."""
    _accepted: dict[str, tuple[Service, Service | None]] = field(default_factory=dict)
    """Services that the agent refused: the service asked for and the one declared instead, by service ID."""

    def read(self) -> None:
        """Read all entries of the agent. Services that it refused are tried again afterwards."""
        self._accepted.clear()
        try:
            self.entries = {entry.service.id: entry for entry in self.catalogue.entries()}
        except Refused as exc:
            self.entries = {}
            self.log_once("consul", f"Consul does not show what is declared: {exc}")

    def ids_of(self, container: str) -> list[str]:
        """Return the IDs of the services declared for a container, given its short ID."""
        return [
            key for key, each in (self.entries or {}).items() if each.service.meta.get(CONTAINER) == container
        ]

    def write(
        self,
        wanted: Mapping[str, Service],
        touched: Iterable[str] | None,
        *,
        options: Options,
        kept: Collection[str],
    ) -> None:
        """Write the differences of all services, or of those `touched`; nothing while `entries` is
        unknown."""
        if self.entries is None:
            return
        wanted, present = self._acceptable(wanted), self.entries
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

    def _acceptable(self, wanted: Mapping[str, Service]) -> Mapping[str, Service]:
        """Return the wanted services, with known refusals replaced by what the agent accepts."""
        found = dict(wanted)
        for key, (requested, accepted) in self._accepted.items():
            if found.get(key) == requested:
                if accepted:
                    found[key] = accepted
                else:
                    del found[key]
        return found

    def _declare(self, service: Service) -> None:
        """Declare a service as wanted, or the part that the agent accepts."""
        before = (self.entries or {}).get(service.id)
        try:
            self.catalogue.register(service)
        except Refused as exc:
            self._declare_without_check(service, before, exc)
            return
        self._record(service)
        self.log(f"{service.name} is {service.address}:{service.port}")
        # Consul keeps the state of a check that already exists, and a registration carries no check output.
        had = before.health if before else None
        if service.health and (service.health_output or had not in (None, service.health)):
            self._confirm(service)

    def _declare_without_check(self, service: Service, before: Entry | None, refusal: Refused) -> None:
        """Declare a service without its check, because agents refuse checks. If the agent refuses that too,
        the service stays undeclared."""
        unchecked = replace(service, check=None)
        accepted: Service | None = None
        if service.check:
            try:
                if before is None or not is_declared(unchecked, before):
                    self.catalogue.register(unchecked)
                accepted = unchecked
            except Refused as exc:
                refusal = exc
        self._accepted[service.id] = (service, accepted)
        if accepted:
            self._record(accepted)
        what = "declared without its check" if accepted else "not declared"
        self.log_once(service.id, f"{service.id}: {what}, Consul answers {refusal}")

    def _confirm(self, service: Service) -> None:
        """Update the state of the service's HEALTHCHECK."""
        try:
            self.catalogue.confirm(service)
        except Refused as exc:
            # Another program removed the check; the next comparison declares it again.
            self.log_once(service.id, f"{service.id}: {exc}")
            return
        self._record(service)
        self.log(f"{service.name} at {service.address}:{service.port} is {service.health}")

    def _remove(self, service_id: str) -> None:
        try:
            self.catalogue.deregister(service_id)
        except Refused as exc:
            self.log_once(service_id, f"{service_id}: cannot be removed, Consul answers {exc}")
            return
        gone = self.entries.pop(service_id, None) if self.entries else None
        if gone:
            self.log(f"{gone.service.name} is gone from {gone.service.address}:{gone.service.port}")

    def _record(self, service: Service) -> None:
        if self.entries is not None:
            self.entries[service.id] = as_declared(service)
