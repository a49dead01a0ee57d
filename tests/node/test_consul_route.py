"""The way to Consul's leader: a node that is cut off from the leader asks through another server."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from node.consul_route import LeaderRoute, detours
from swarmer.adapters.consul import Unavailable
from swarmer.core.state import ConsulMember, MemberStatus

OWN = ConsulMember(name="own", address="10.0.0.1", status=MemberStatus.ALIVE, is_server=True)
LEADER = ConsulMember(name="leader", address="10.0.0.2", status=MemberStatus.ALIVE, is_server=True)
THIRD = ConsulMember(name="third", address="10.0.0.3", status=MemberStatus.ALIVE, is_server=True)
LOST = ConsulMember(name="lost", address="10.0.0.4", status=MemberStatus.FAILED, is_server=True)
WORKER = ConsulMember(name="worker", address="10.0.0.5", status=MemberStatus.ALIVE, is_server=False)


@dataclass
class Agent:
    """An agent, by what it knows."""

    address: str = OWN.address
    known: tuple[ConsulMember, ...] = (OWN, LEADER, THIRD, LOST, WORKER)
    leads: str = f"{LEADER.address}:8300"
    is_up: bool = True

    def members(self) -> tuple[ConsulMember, ...]:
        return self.known

    def leader(self) -> str:
        if not self.is_up:
            raise Unavailable("connection refused")
        return self.leads


@dataclass
class Lab:
    local: Agent = field(default_factory=Agent)
    route: LeaderRoute = field(init=False)

    def __post_init__(self) -> None:
        self.route = LeaderRoute(self.local, OWN.name, lambda address: Agent(address))  # type: ignore[arg-type, return-value]

    def addresses(self, failures: int) -> list[str]:
        """Addresses that are asked after each of so many failures in a row."""
        found = []
        for _ in range(failures):
            self.route.on_failure()
            found.append(self.route.agent.address)  # type: ignore[attr-defined]
        return found


def test_a_detour_leads_over_a_server_that_lives_and_is_neither_this_node_nor_the_leader() -> None:
    assert detours(Agent().known, own="own", leader=LEADER.address) == (THIRD.address,)


def test_every_other_server_is_a_detour_while_no_leader_is_known() -> None:
    assert detours(Agent().known, own="own", leader="") == (LEADER.address, THIRD.address)


def test_the_own_agent_is_asked_first() -> None:
    lab = Lab()
    assert lab.route.agent is lab.local  # type: ignore[comparison-overlap]


def test_the_own_agent_and_the_other_servers_take_turns_until_one_answers() -> None:
    lab = Lab(Agent(leads=""))
    assert lab.addresses(4) == [LEADER.address, OWN.address, THIRD.address, OWN.address]


def test_a_detour_that_answers_is_kept_until_the_own_agent_answers_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lab = Lab()
    lab.route.on_failure()
    lab.route.on_answer()

    def refuse() -> None:
        raise Unavailable("no cluster leader")

    with pytest.raises(Unavailable):
        lab.route.return_after(refuse)
    assert lab.addresses(0) == []
    assert lab.route.agent.address == THIRD.address  # type: ignore[attr-defined]
    lab.route.return_after(lambda: None)
    assert lab.route.agent is lab.local  # type: ignore[comparison-overlap]
    assert f"asks Consul at {THIRD.address}" in capsys.readouterr().out


def test_a_node_without_an_agent_of_its_own_waits_for_it() -> None:
    lab = Lab(Agent(is_up=False))
    lab.route.on_failure()
    assert lab.route.agent is lab.local  # type: ignore[comparison-overlap]


def test_one_server_alone_has_no_detour() -> None:
    lab = Lab(Agent(known=(OWN, WORKER), leads=""))
    lab.route.on_failure()
    assert lab.route.agent is lab.local  # type: ignore[comparison-overlap]
