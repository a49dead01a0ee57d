"""Which Consul services a container is: the published ports of what `docker inspect` says. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

MARKER: Final = "swarmer-registrator"
"""Key of the metadata that says which node's registrator wrote an entry: it removes only its own."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """One service as Consul's agent takes it."""

    id: str
    name: str
    address: str
    port: int
    tags: tuple[str, ...] = ()
    meta: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Changes:
    """What makes the catalogue right."""

    declare: tuple[Service, ...]
    remove: tuple[str, ...]
    """Service ids."""


def services(container: Mapping[str, Any], *, hostname: str, address: str) -> list[Service]:
    """The services of one running container; conventions of gliderlabs/registrator.

    A published port is a service: named by SERVICE_<port>_NAME, SERVICE_NAME or the image, with
    `-<port>` appended where the container publishes several.
    """
    ports = sorted(_published(container))
    settings = _settings(container)
    found = []
    for port, protocol, host_port in ports:
        name = settings.get(f"{port}_name") or _common_name(container, settings) + (
            f"-{port}" if len(ports) > 1 else ""
        )
        suffix = ":udp" if protocol == "udp" else ""
        found.append(
            Service(
                id=f"{hostname}:{container['Name'].lstrip('/')}:{port}{suffix}",
                name=name,
                address=address,
                port=host_port,
                tags=("udp",) if suffix else (),
                meta={MARKER: hostname},
            )
        )
    return found


def compare(wanted: Iterable[Service], present: Iterable[Service], *, hostname: str) -> Changes:
    """Differences only; what carries no marker of this node is left alone."""
    should = {service.id: service for service in wanted}
    own = {service.id: service for service in present if service.meta.get(MARKER) == hostname}
    return Changes(
        declare=tuple(service for key, service in sorted(should.items()) if own.get(key) != service),
        remove=tuple(sorted(own.keys() - should.keys())),
    )


def _published(container: Mapping[str, Any]) -> set[tuple[int, str, int]]:
    """`(container port, protocol, host port)`, of each port its first binding."""
    found = set()
    for spec, bindings in (container["NetworkSettings"].get("Ports") or {}).items():
        port, _, protocol = spec.partition("/")
        if bindings:
            found.add((int(port), protocol, int(bindings[0]["HostPort"])))
    return found


def _settings(container: Mapping[str, Any]) -> dict[str, str]:
    """SERVICE_… of environment and labels, the prefix cut, lower-cased; a label wins."""
    pairs = [entry.partition("=")[::2] for entry in container["Config"].get("Env") or ()]
    pairs += (container["Config"].get("Labels") or {}).items()
    prefix = "SERVICE_"
    return {key[len(prefix) :].lower(): value for key, value in pairs if key.startswith(prefix)}


def _common_name(container: Mapping[str, Any], settings: Mapping[str, str]) -> str:
    image: str = container["Config"]["Image"]
    return settings.get("name") or image.split("@")[0].rsplit("/", 1)[-1].split(":")[0]
