"""Ports that become services, and their addresses. Rules 15 to 20, 27 to 30."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.inspected import container, options, planned, published, service, services

WEB = {"web": {"IPAddress": "10.5.0.9"}, "admin": {"IPAddress": "10.6.0.9"}}


def bound(*pairs: tuple[str, str]) -> dict[str, Any]:
    return {"80/tcp": [{"HostIp": ip, "HostPort": port} for ip, port in pairs]}


def test_an_exposed_port_that_is_not_published_is_none() -> None:
    found = planned(container(ports={"6379/tcp": None}, exposed={"6379/tcp": {}}))
    assert found.services == ()
    assert found.notes == ("6379/tcp: not published",)


@pytest.mark.parametrize("mode", ["host", "none", "container:abc"])
def test_without_a_network_of_its_own_every_exposed_port_is_a_service(mode: str) -> None:
    peer = container(networks={"bridge": {"IPAddress": "172.17.0.9"}})
    found = service(container(ports={}, exposed={"80/tcp": {}}, mode=mode), peer=peer)
    assert found.port == 80


def test_a_network_that_lists_no_ports_publishes_none() -> None:
    assert services(container(ports={}, exposed={"80/tcp": {}}, mode="overlay0", networks=WEB)) == []


def test_only_the_first_binding_of_a_port_counts() -> None:
    found = service(container(ports=bound(("10.0.0.1", "8000"), ("10.0.0.2", "8001"))))
    assert (found.address, found.port) == ("10.0.0.1", 8000)


@pytest.mark.parametrize("value", ["true", "false", "0", "x"])
def test_ignore_with_any_value_ignores(value: str) -> None:
    assert services(container(env=[f"SERVICE_IGNORE={value}"])) == []
    two = container(ports=published("80/tcp", "443/tcp"), env=[f"SERVICE_80_IGNORE={value}"])
    assert [each.port for each in services(two)] == [20443]


def test_explicit_wants_a_name() -> None:
    explicit = options(explicit=True)
    assert services(container(), explicit) == []
    assert services(container(env=["SERVICE_NAME="]), explicit) == []
    assert service(container(labels={"SERVICE_NAME": "web"}), explicit).name == "web"
    two = container(ports=published("80/tcp", "443/tcp"), env=["SERVICE_80_NAME=web"])
    assert [each.name for each in services(two, explicit)] == ["web"]


def test_what_does_not_run_is_no_service() -> None:
    for state in ({"Running": False}, {"Running": True, "Restarting": True}, {"Running": True, "Dead": True}):
        assert services(container(state=state)) == []
    assert services(container(state={"Running": True, "Paused": True})) != []


@pytest.mark.parametrize("any_address", ["0.0.0.0", "::", ""])
def test_a_port_bound_everywhere_has_the_hosts_address(any_address: str) -> None:
    assert service(container(ports=bound((any_address, "8000")))).address == "10.0.0.4"
    assert service(container(ports=bound((any_address, "8000"))), options(address="")).address == ""


def test_the_forced_address_beats_an_explicit_publication() -> None:
    local = container(ports=bound(("127.0.0.1", "8000")))
    assert service(local).address == "127.0.0.1"
    assert service(local, options(ip="10.9.9.9")).address == "10.9.9.9"


def test_a_network_of_ones_own_does_not_change_the_hosts_address() -> None:
    found = service(container(ports=bound(("0.0.0.0", "8000")), mode="web", networks=WEB))
    assert (found.address, found.port) == ("10.0.0.4", 8000)


def test_internal_means_the_containers_address_and_exposed_ports() -> None:
    internal = options(internal=True)
    inspected = container(ports={**bound(("0.0.0.0", "8000")), "443/tcp": None}, mode="web", networks=WEB)
    found = services(inspected, internal)
    assert [(each.address, each.port) for each in found] == [("10.5.0.9", 80), ("10.5.0.9", 443)]


def test_internal_takes_the_named_network_then_its_modes_then_the_first_by_name() -> None:
    ports = bound(("", "8000"))
    web = container(ports=ports, mode="web", networks=WEB)
    assert service(web, options(internal=True, network="admin")).address == "10.6.0.9"
    named = container(ports=ports, mode="web", networks=WEB, env=["SERVICE_NETWORK=admin"])
    assert service(named, options(internal=True, network="web")).address == "10.6.0.9"
    assert "network" not in service(named, options(internal=True)).meta
    other = container(ports=ports, mode="gone", networks=WEB)
    assert service(other, options(internal=True)).address == "10.6.0.9"
    bridge = container(ports=ports, networks={"bridge": {"IPAddress": "172.17.0.2"}, **WEB})
    assert service(bridge, options(internal=True)).address == "172.17.0.2"


def test_internal_in_host_mode_means_the_hosts_address() -> None:
    found = service(container(ports={}, exposed={"80/tcp": {}}, mode="host"), options(internal=True))
    assert (found.address, found.port) == ("10.0.0.4", 80)


def test_an_address_may_come_from_a_label() -> None:
    who = options(use_ip_from_label="net.ip", ip="10.9.9.9")
    assert service(container(labels={"net.ip": "192.0.2.7/24"}), who).address == "192.0.2.7"
    assert service(container(labels={"net.ip": "192.0.2.7"}), who).address == "192.0.2.7"
    for odd in ({}, {"net.ip": ""}, {"net.ip": "0.0.0.0/0"}, {"net.ip": "no address"}):
        found = planned(container(labels=odd), who)
        assert found.services[0].address == "10.9.9.9"
        assert len(found.complaints) == 1


def test_a_container_in_anothers_network_has_that_address_even_over_a_forced_one() -> None:
    shared = container(ports={}, exposed={"80/tcp": {}}, mode="container:abc")
    peer = container(networks={"bridge": {"IPAddress": "172.17.0.9"}})
    assert service(shared, options(ip="10.9.9.9"), peer=peer).address == "172.17.0.9"
    found = planned(shared)
    assert found.services[0].address == "10.0.0.4"
    assert len(found.complaints) == 1


@pytest.mark.parametrize("spec", ["0/tcp", "70000/tcp", "x/tcp", "80-90/tcp", "-1/tcp", "/", "٣/tcp"])
def test_a_port_out_of_range_costs_only_itself(spec: str) -> None:
    found = planned(container(ports={spec: [{"HostPort": "8000"}], **published("80/tcp")}))
    assert [each.port for each in found.services] == [20080]
    assert len(found.complaints) == 1


@pytest.mark.parametrize("host_port", ["99999", "abc", "0", "-1", "8" * 5000])
def test_a_binding_that_is_no_port_is_passed_over(host_port: str) -> None:
    assert service(container(ports=bound(("", host_port), ("", "8001")))).port == 8001
    assert planned(container(ports=bound(("", host_port)))).complaints


def test_a_published_port_without_a_number_is_not_published() -> None:
    assert planned(container(ports=bound(("", "")))).complaints == ()
