"""Ports of a container that become services, and the address of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from swarmer.core.registration.options import Options
from swarmer.core.service import LARGEST_PORT
from swarmer.core.state import Container, PortBinding

ANY_ADDRESS: Final = frozenset(("", "0.0.0.0", "::"))  # noqa: S104 - recognised, never bound
"""Addresses that Consul refuses for a service."""
LITERAL_MODES: Final = frozenset(("", "default", "bridge", "host", "none"))
"""Network modes in which a port that Docker does not list is published under its own number. In an operator's
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


def ports(container: Container, options: Options, complain: list[str]) -> list[Port]:
    """Return the published ports, sorted; in internal mode all ports."""
    mode = container.network_mode
    literal = mode in LITERAL_MODES or mode.startswith("container:")
    specs = {spec: _as_numbered(spec) if literal else () for spec in container.exposed_ports}
    listed = {**specs, **container.ports}
    found = filter(None, (_port(spec, bindings, complain) for spec, bindings in listed.items()))
    return sorted(port for port in found if options.internal or port.host_port)


def unpublished(container: Container) -> list[str]:
    """Return exposed ports without a port of the host: 443/tcp …"""
    return sorted(spec for spec, bindings in container.ports.items() if not bindings)


def _as_numbered(spec: str) -> tuple[PortBinding, ...]:
    return (PortBinding(host_ip="", host_port=spec.partition("/")[0]),)


def _port(spec: str, bindings: Iterable[PortBinding], complain: list[str]) -> Port | None:
    number, _, protocol = spec.partition("/")
    if not as_port(number):
        complain.append(f"port {spec[:40]} is no port")
        return None
    host_ip, host_port = _binding(spec, bindings, complain)
    return Port(as_port(number), protocol or "tcp", host_ip, host_port)


def _binding(spec: str, bindings: Iterable[PortBinding], complain: list[str]) -> tuple[str, int]:
    """Return the first valid binding; `("", 0)` if there is none."""
    for each in bindings:
        if number := as_port(each.host_port):
            return each.host_ip if each.host_ip.isascii() else "", number
        if each.host_port:
            complain.append(f"port {spec[:40]} is published on {each.host_port[:40]}, which is no port")
    return "", 0


def as_port(text: str) -> int:
    """Return the port number; 0 if the text is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        return 0
    number = int(text)
    return number if number <= LARGEST_PORT else 0


# -- addresses ------------------------------------------------------------------------------


def address(
    container: Container,
    port: Port,
    options: Options,
    *,
    network: str = "",
    peer: Container | None = None,
    complain: list[str],
) -> str:
    """Return the address of the service by the last rule that applies. Empty: that of Consul's agent.

    `network`: value of SERVICE_NETWORK. `peer`: the inspected container whose network this one shares.
    """
    host = options.ip or options.address
    found = host if options.ip or port.host_ip in ANY_ADDRESS else port.host_ip
    if options.internal:
        found = _own_address(container, network or options.network, complain) or host
    if options.use_ip_from_label:
        found = _from_label(container, options.use_ip_from_label, complain) or found
    if container.network_mode.startswith("container:"):
        if peer is None:
            complain.append("the container whose network it shares is not to be found")
        elif theirs := _own_address(peer, network or options.network, complain):
            found = theirs
    return found


def _from_label(container: Container, label: str, complain: list[str]) -> str:
    value = container.labels.get(label)
    if not value:
        complain.append(f"has no label {label} to take its address from")
        return ""
    before, slash, _ = value.rpartition("/")
    text = before if slash else value
    if text in ANY_ADDRESS or not text.isascii() or text.split() != [text] or len(text) > 255:
        complain.append(f"label {label}: {text[:40]} is no address")
        return ""
    return text


def _own_address(container: Container, wanted: str, complain: list[str]) -> str:
    """Return the address on the named network, else on the mode's network, else on the first by name; may be
    empty."""
    networks = container.networks
    if wanted and wanted not in networks:
        complain.append(f"is not on the network {wanted[:60]}")
    mode = container.network_mode
    preferred = (wanted, "bridge" if mode in ("", "default") else mode)
    found = _first_address(networks[name] for name in preferred if name in networks)
    return found or container.address or _first_address(networks[name] for name in sorted(networks))


def _first_address(networks: Iterable[tuple[str, ...]]) -> str:
    return next((address for addresses in networks for address in addresses), "")
