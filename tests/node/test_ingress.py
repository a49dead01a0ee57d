"""The networks that Swarm would make itself: their range and MTU, whatever the engine answers."""

from __future__ import annotations

from typing import Any

import pytest

from swarmer.adapters.docker import Engine, Unavailable

IN_THE_POOL, ELSEWHERE = "172.20.0.0/24", "10.255.0.0/16"


class Founder(Engine):
    """Its ingress network lies in `subnet`; "" where there is none. `stuck`: what is deleted stays."""

    def __init__(self, subnet: str, *, stuck: bool = False) -> None:
        super().__init__()
        self.subnet = subnet
        self.stuck = stuck
        self.told: list[str] = []
        self.created: list[Any] = []

    def listed(self, path: str, **filters: list[str]) -> list[dict[str, Any]]:
        config = [{"Subnet": self.subnet}]
        return [{"Name": "ingress", "IPAM": {"Config": config}}] if self.subnet else []

    def ask_engine(self, method: str, path: str, body: object = None) -> Any:
        self.told.append(f"{method} {path}")
        if path == "/networks/create":
            self.created.append(body)
        if method == "DELETE" and not self.stuck:
            self.subnet = ""


CREATED = "POST /networks/create"


@pytest.mark.parametrize(
    ("subnet", "told"),
    [
        (IN_THE_POOL, []),
        (ELSEWHERE, ["DELETE /networks/ingress", CREATED]),
        ("", [CREATED]),  # an earlier run was killed between the two steps
    ],
    ids=["in the pool", "elsewhere", "nowhere"],
)
def test_the_ingress_network_is_made_where_it_belongs_unless_it_is_there(
    subnet: str, told: list[str]
) -> None:
    engine = Founder(subnet)
    assert engine.ensure_ingress(within_s=0.1) == bool(told)
    assert engine.told == told


def test_an_ingress_network_that_does_not_go_is_not_waited_for_without_an_end() -> None:
    with pytest.raises(Unavailable, match=r"there still after 0\.1 s"):
        Founder(ELSEWHERE, stuck=True).ensure_ingress(within_s=0.1)


@pytest.mark.parametrize("mtu", [9001, 1500])
def test_the_gateway_bridge_has_the_mtu_of_the_nodes_network(mtu: int) -> None:
    """Swarm would make it with 1500, and heeds no default of the engine (moby/moby#41406)."""
    engine = Founder("")
    assert engine.ensure_gateway_bridge(mtu)
    (body,) = engine.created
    assert (body["Name"], body["Options"]["com.docker.network.driver.mtu"]) == ("docker_gwbridge", str(mtu))


def test_a_gateway_bridge_that_is_there_stays_as_it_is() -> None:
    """Also after a reboot: containers hang on it."""

    class Existing(Founder):
        def listed(self, path: str, **filters: list[str]) -> list[dict[str, Any]]:
            return [{"Name": "docker_gwbridge"}]

    engine = Existing("")
    assert not engine.ensure_gateway_bridge(9001)
    assert engine.told == []
