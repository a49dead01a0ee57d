"""Services of one inspected container, and complaints about its settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from swarmer.core.registration import checks, metadata, naming, ports, swarm, templates
from swarmer.core.registration.markers import CONTAINER, ENGINE, MARKER
from swarmer.core.registration.metadata import Settings
from swarmer.core.registration.options import Options
from swarmer.core.registration.ports import Port
from swarmer.core.service import Service
from swarmer.core.state import Container
from swarmer.core.validation import listed


@dataclass(frozen=True)
class Plan:
    """Services of one container."""

    services: tuple[Service, ...] = ()
    complaints: tuple[str, ...] = ()
    """Settings that could not be declared as requested, each for a line in the log."""
    notes: tuple[str, ...] = ()
    """Reasons why some ports are intentionally no service."""


def plan(
    container: Container,
    options: Options,
    *,
    repo_tags: Sequence[str] = (),
    peer: Container | None = None,
) -> Plan:
    """Plan the services of a container with any settings. Valid parts are declared; it raises no error.

    `repo_tags`: names of its image if it was started from an ID. `peer`: the inspected container whose
    network it shares (`--network container:…`).
    """
    if not container.is_running:
        return Plan(notes=("does not run",))
    complain: list[str] = []
    found = _Container(container, options, repo_tags, peer, complain)
    services, notes = found.services()
    # Each complaint is listed once, because a general problem appears at every port.
    return Plan(tuple(services), tuple(dict.fromkeys(complain)), tuple(notes))


class _Container:
    """Values that all services of a container share."""

    def __init__(
        self,
        container: Container,
        options: Options,
        repo_tags: Sequence[str],
        peer: Container | None,
        complain: list[str],
    ) -> None:
        self.inspected, self.options, self.peer, self.complain = container, options, peer, complain
        self.name = naming.container_name(container)
        self.default_name = naming.default_name(container, repo_tags)
        self.metadata = metadata.gather(container, complain)
        self.task = swarm.task(container.labels, options.hostname)
        self.own_meta = _own_meta(container, options) | swarm.metadata(self.task)
        self.health, self.health_output = checks.health(container)

    def services(self) -> tuple[list[Service], list[str]]:
        found = ports.ports(self.inspected, self.options, self.complain)
        notes = []
        if not self.options.internal and (closed := ports.unpublished(self.inspected)):
            notes.append(f"{listed(closed)}: not published")
        services: dict[str, Service] = {}
        for port in found:
            settings = self.metadata.of(str(port.number))
            if settings.get("ignore"):
                notes.append(f"{port.number}/{port.protocol}: ignored")
            elif self.options.explicit and not settings.get("name"):
                notes.append(f"{port.number}/{port.protocol}: has no name, and -explicit is set")
            else:
                service = self._service(port, settings, is_group=len(found) > 1)
                services[self._unique(service, port, services).id] = self._unique(service, port, services)
        return list(services.values()), notes

    def _service(self, port: Port, settings: Settings, *, is_group: bool) -> Service:
        name = naming.service_name(self.default_name, settings, port, is_group=is_group)
        if name.lower() in self.options.reserved:
            # Otherwise a container of an image called registry, for example, would take the registry's name.
            self.complain.append(f"the name {name} is the cluster's own: declared as {name}-{port.number}")
            name = f"{name}-{port.number}"
        if complaint := naming.name_complaint(name):
            self.complain.append(complaint)
        address = ports.address(
            self.inspected,
            port,
            self.options,
            network=settings.get("network"),
            peer=self.peer,
            complain=self.complain,
        )
        number = port.number if self.options.internal else port.host_port
        target = checks.Target(address, number, naming.short_id(self.inspected), str(port.number))
        return Service(
            id=self._id(port, settings),
            name=name,
            address=address,
            port=number,
            tags=tuple(self._tags(port, settings)),
            meta=metadata.attributes(settings, self.own_meta, self.complain),
            check=checks.check(settings, target, self.complain),
            health=self.health,
            health_output=self.health_output,
        )

    def _id(self, port: Port, settings: Settings) -> str:
        wanted = settings.get("id")
        if wanted in self.options.reserved:
            self.complain.append(f"SERVICE_ID: {wanted} is another service of this node")
        elif wanted and naming.is_removable(wanted):
            return wanted
        elif wanted:
            self.complain.append(f"SERVICE_ID: Consul could not remove {wanted[:60]} again")
        return naming.service_id(self.options.hostname or port.host_ip, self.name, port)

    def _unique(self, service: Service, port: Port, taken: Mapping[str, Service]) -> Service:
        if service.id not in taken:
            return service
        own = naming.service_id(self.options.hostname or port.host_ip, self.name, port)
        if own in taken:  # sctp looks like tcp
            own = f"{own}:{port.protocol}"
        self.complain.append(
            f"SERVICE_ID: {service.id[:60]} is one of its ports already; {port.number} is {own}"
        )
        return replace(service, id=own)

    def _tags(self, port: Port, settings: Settings) -> list[str]:
        found = metadata.split_tags(settings.get("tags"))
        try:
            found += metadata.split_tags(metadata.sound(self.options.tags.render(self.inspected.document)))
        except templates.Failed as exc:
            self.complain.append(f"-tags: {exc}")
        found += swarm.tags(self.task)
        return [*found, "udp"] if port.protocol == "udp" else found


def _own_meta(container: Container, options: Options) -> dict[str, str]:
    own = {MARKER: options.hostname, ENGINE: options.engine, CONTAINER: naming.short_id(container)}
    return {key: value for key, value in own.items() if value or key == MARKER}
