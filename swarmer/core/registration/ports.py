"""Ports of a container that are services, and the address at which each one is reached."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from swarmer.core.registration.options import Options
from swarmer.core.service import LARGEST_PORT

ANY_ADDRESS: Final = frozenset(("", "0.0.0.0", "::"))  # noqa: S104 - recognised, never bound
"""Addresses that Consul refuses as the address of a service."""
LITERAL_MODES: Final = frozenset(("", "default", "bridge", "host", "none"))
"""Networks in which a port that Docker does not list is published under its own number. In an operator's
network (overlay, macvlan) such a port is not published at all."""


@dataclass(frozen=True, order=True)
class Port:
    """One port of a container that may become a service."""

    number: int
    """Port number inside the container."""
    protocol: str
    host_ip: str
    host_port: int
    """Port number on the host; 0 if it is not published."""


def mapping(value: object) -> Mapping[str, Any]:
    """Return `value` if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def ports(container: Mapping[str, Any], options: Options, complain: list[str]) -> list[Port]:
    """Return the published ports, sorted; in internal mode all ports."""
    exposed = mapping(mapping(container.get("Config")).get("ExposedPorts"))
    listed = mapping(mapping(container.get("NetworkSettings")).get("Ports"))
    mode = network_mode(container)
    literal = mode in LITERAL_MODES or mode.startswith("container:")
    specs: dict[str, object] = {
        spec: [{"HostPort": _number_of(spec)}] if literal else None for spec in exposed
    }
    found = filter(None, (_port(spec, bindings, complain) for spec, bindings in {**specs, **listed}.items()))
    return sorted(port for port in found if options.internal or port.host_port)


def network_mode(container: Mapping[str, Any]) -> str:
    """Return the network mode: `bridge`, `host`, `container:<id>`, the name of a network …"""
    return str(mapping(container.get("HostConfig")).get("NetworkMode") or "")


def unpublished(container: Mapping[str, Any]) -> list[str]:
    """Return exposed ports that no port of the host reaches: 443/tcp …"""
    listed = mapping(mapping(container.get("NetworkSettings")).get("Ports"))
    return sorted(spec for spec, bindings in listed.items() if not bindings)


def _number_of(spec: object) -> str:
    return str(spec).partition("/")[0]


def _port(spec: object, bindings: object, complain: list[str]) -> Port | None:
    protocol = str(spec).partition("/")[2] or "tcp"
    number = as_port(_number_of(spec))
    if not number:
        complain.append(f"port {str(spec)[:40]} is no port")
        return None
    host_ip, host_port = _binding(spec, bindings, complain)
    return Port(number, protocol, host_ip, host_port)


def _binding(spec: object, bindings: object, complain: list[str]) -> tuple[str, int]:
    """Return the first valid binding; `("", 0)` if there is none."""
    for binding in bindings if isinstance(bindings, list) else ():
        text = str(mapping(binding).get("HostPort") or "")
        if number := as_port(text):
            host_ip = str(mapping(binding).get("HostIp") or "")
            return host_ip if host_ip.isascii() else "", number
        if text:
            complain.append(f"port {str(spec)[:40]} is published on {text[:40]}, which is no port")
    return "", 0


def as_port(text: str) -> int:
    """Return the port number; 0 if the text is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        return 0
    number = int(text)
    return number if number <= LARGEST_PORT else 0


# -- addresses ------------------------------------------------------------------------------


def address(
    container: Mapping[str, Any],
    port: Port,
    options: Options,
    *,
    network: str = "",
    peer: Mapping[str, Any] | None = None,
    complain: list[str],
) -> str:
    """Return the address of the service; the last rule that applies decides. Empty: that of Consul's agent.

    `network`: value of SERVICE_NETWORK. `peer`: the inspected container whose network this one shares.
    """
    host = options.ip or options.address
    found = host if options.ip or port.host_ip in ANY_ADDRESS else port.host_ip
    if options.internal:
        found = _own_address(container, network or options.network, complain) or host
    if options.use_ip_from_label:
        found = _from_label(container, options.use_ip_from_label, complain) or found
    if network_mode(container).startswith("container:"):
        if peer is None:
            complain.append("the container whose network it shares is not to be found")
        elif theirs := _own_address(peer, network or options.network, complain):
            found = theirs
    return found


def _from_label(container: Mapping[str, Any], label: str, complain: list[str]) -> str:
    value = mapping(mapping(container.get("Config")).get("Labels")).get(label)
    if not value or not isinstance(value, str):
        complain.append(f"has no label {label} to take its address from")
        return ""
    before, slash, _ = value.rpartition("/")
    text = before if slash else value
    if text in ANY_ADDRESS or not text.isascii() or text.split() != [text] or len(text) > 255:
        complain.append(f"label {label}: {text[:40]} is no address")
        return ""
    return text


def _own_address(container: Mapping[str, Any], wanted: str, complain: list[str]) -> str:
    """Return the address on the named network, else on that of the mode, else on the first by name; may be
    empty."""
    settings = mapping(container.get("NetworkSettings"))
    networks = {str(name): mapping(each) for name, each in mapping(settings.get("Networks")).items()}
    if wanted and wanted not in networks:
        complain.append(f"is not on the network {wanted[:60]}")
    mode = network_mode(container)
    preferred = (wanted, "bridge" if mode in ("", "default") else mode)
    found = _first_address(networks[name] for name in preferred if name in networks)
    return (
        found
        or str(settings.get("IPAddress") or "")
        or _first_address(networks[name] for name in sorted(networks))
    )


def _first_address(networks: Iterable[Mapping[str, Any]]) -> str:
    return next(_addresses(networks), "")


def _addresses(networks: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for network in networks:
        for key in ("IPAddress", "GlobalIPv6Address"):
            if value := network.get(key):
                yield str(value)
