"""The range of the routing mesh's network: an engine that initializes a Swarm, whatever it answers."""

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

    def listed(self, path: str, **filters: list[str]) -> list[dict[str, Any]]:
        config = [{"Subnet": self.subnet}]
        return [{"Name": "ingress", "IPAM": {"Config": config}}] if self.subnet else []

    def ask_engine(self, method: str, path: str, body: object = None) -> Any:
        self.told.append(f"{method} {path}")
        if method == "DELETE" and not self.stuck:
            self.subnet = ""


CREATED = "POST /networks/create"


@pytest.mark.parametrize(
    ("subnet", "told"),
    [
        (IN_THE_POOL, []),
        (ELSEWHERE, ["DELETE /networks/ingress", CREATED]),
        ("", [CREATED]),  # whoever moved it was killed half-way
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
