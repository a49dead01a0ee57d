"""Survivors: which quorum is lost, which node goes on alone, and which nodes must be proved to be gone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from swarmer.core.errors import UserError
from swarmer.core.quorum_report import QuorumReport
from swarmer.core.state import ConsulMember, MemberStatus
from swarmer.core.survivors import Step, check_proof, decide


def address(name: str) -> str:
    return f"10.42.0.{name.rpartition('-')[2]}"


def members(*servers: str, clients: tuple[str, ...] = ()) -> frozenset[ConsulMember]:
    named = [(name, True) for name in servers] + [(name, False) for name in clients]
    return frozenset(
        ConsulMember(name=name, address=address(name), status=MemberStatus.ALIVE, is_server=it)
        for name, it in named
    )


def addresses(*names: str) -> frozenset[str]:
    return frozenset(map(address, names))


CORE = ("core-i-1", "core-i-2", "core-i-3")
SERVERS, MANAGERS = (
    ("consul-i-1", "consul-i-2", "consul-i-3"),
    ("managers-i-4", "managers-i-5", "managers-i-6"),
)
ALL = members(*SERVERS, clients=MANAGERS)
SERVER = QuorumReport(name="consul-i-1", address=address("consul-i-1"), members=ALL, last_entry=(2, 70))
MANAGER = QuorumReport(
    name="managers-i-4", address=address("managers-i-4"), members=ALL, managers=addresses(*MANAGERS)
)
BOTH = QuorumReport(
    name="core-i-1",
    address=address("core-i-1"),
    members=members(*CORE),
    last_entry=(2, 70),
    managers=addresses(*CORE),
)
REPLACEMENT = QuorumReport(name="core-i-9", address=address("core-i-9"), members=members("core-i-9", *CORE))


def leads(node: QuorumReport) -> QuorumReport:
    return replace(node, has_leader=True)


def controls(node: QuorumReport) -> QuorumReport:
    return replace(node, has_quorum=True)


def named(node: QuorumReport, name: str) -> QuorumReport:
    return replace(node, name=name, address=address(name))


def test_where_roles_are_together_one_node_goes_on_for_both() -> None:
    expected = Step(survivor="core-i-1", options=("--consul", "--swarm"), lost=("core-i-2", "core-i-3"))
    assert decide([REPLACEMENT, BOTH]) == [expected]


def test_lost_servers_are_recovered_and_the_swarm_is_left_alone() -> None:
    seen = [controls(MANAGER), SERVER, named(MANAGER, "managers-i-5"), named(MANAGER, "managers-i-6")]
    assert decide(seen) == [Step(survivor="consul-i-1", options=("--consul",), lost=SERVERS[1:])]


def test_lost_managers_are_recovered_and_consul_is_left_alone() -> None:
    seen = [leads(SERVER), MANAGER, named(SERVER, "consul-i-2"), named(SERVER, "consul-i-3")]
    assert decide(seen) == [Step(survivor="managers-i-4", options=("--swarm",), lost=MANAGERS[1:])]


def test_where_both_are_lost_and_roles_lie_apart_consul_goes_first() -> None:
    assert decide([MANAGER, SERVER]) == [
        Step(survivor="consul-i-1", options=("--consul",), lost=SERVERS[1:]),
        Step(survivor="managers-i-4", options=("--swarm",), lost=MANAGERS[1:]),
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [((2, 70), (2, 71)), pytest.param((2, 71), (3, 70), id="the decision of a newer leader counts more")],
)
def test_the_server_that_knows_most_goes_on(first: tuple[int, int], second: tuple[int, int]) -> None:
    five = members(*(f"core-i-{number}" for number in range(1, 6)))
    survivors = [
        replace(SERVER, members=five, name=f"core-i-{at}", last_entry=entry)
        for at, entry in ((1, first), (2, second))
    ]
    (step,) = decide([controls(MANAGER), *survivors])
    assert (step.survivor, step.lost) == ("core-i-2", ("core-i-3", "core-i-4", "core-i-5"))


def test_a_node_that_has_both_roles_does_not_go_on_for_consul_where_a_mere_server_knows_more() -> None:
    everyone = members("core-i-1", "core-i-2", *SERVERS)
    core = replace(BOTH, members=everyone, managers=addresses("core-i-1", "core-i-2"), last_entry=(2, 70))
    server = replace(SERVER, members=everyone, last_entry=(2, 71))
    consul, swarm = decide([core, server])
    assert (consul.survivor, consul.options) == ("consul-i-1", ("--consul",))
    assert (swarm.survivor, swarm.options) == ("core-i-1", ("--swarm",))
    (together,) = decide([core, replace(server, last_entry=(2, 70))])
    assert (together.survivor, together.options) == ("core-i-1", ("--consul", "--swarm"))


def test_only_members_of_the_quorum_that_is_lost_are_forgotten() -> None:
    """A worker that is switched off keeps nobody from it: it comes back as what it was."""
    known = members(*SERVERS, clients=(*MANAGERS, "workers-i-7"))
    (step,) = decide([replace(SERVER, members=known), controls(MANAGER)])
    assert step.lost == SERVERS[1:]


def test_managers_that_the_sweep_took_out_of_consul_are_known_by_name_still() -> None:
    left = frozenset(
        replace(each, status=MemberStatus.LEFT if each.name in MANAGERS[1:] else each.status) for each in ALL
    )
    (step,) = decide([replace(leads(SERVER), members=left), replace(MANAGER, members=left)])
    assert step.lost == MANAGERS[1:]


def test_a_lost_managers_address_may_be_its_replacements() -> None:
    heir = QuorumReport(name="managers-i-8", address=address("managers-i-5"), members=ALL)
    (step,) = decide([leads(SERVER), heir, MANAGER])
    assert step.lost == MANAGERS[1:]


def test_a_lost_manager_without_a_name_is_listed_by_address_and_stays_unproven() -> None:
    (step,) = decide(
        [replace(leads(SERVER), members=members(*SERVERS)), replace(MANAGER, members=frozenset())]
    )
    assert step.lost == (address("managers-i-5"), address("managers-i-6"))
    with pytest.raises(UserError, match="may come back"):
        check_proof(step.lost, set(), {"i-5", "i-6"})


def test_a_manager_that_runs_and_does_not_answer_is_never_proved_to_be_gone() -> None:
    (step,) = decide(
        [leads(SERVER), MANAGER, QuorumReport(name="managers-i-5", address=address("managers-i-5"))]
    )
    assert step.lost == (address("managers-i-5"), "managers-i-6")


def test_a_recovery_that_was_broken_off_before_it_forgot_the_lost_is_finished() -> None:
    server = replace(leads(SERVER), lost_servers=frozenset(SERVERS[1:]))
    manager = replace(controls(MANAGER), lost_managers=frozenset(MANAGERS[1:]))
    assert decide([server, manager]) == [
        Step(survivor="consul-i-1", options=("--consul",), lost=SERVERS[1:]),
        Step(survivor="managers-i-4", options=("--swarm",), lost=MANAGERS[1:]),
    ]


def test_what_is_forgotten_already_is_not_named_again() -> None:
    seen = [leads(SERVER), replace(controls(MANAGER), lost_managers=frozenset(MANAGERS[2:]))]
    assert decide(seen) == [Step(survivor="managers-i-4", options=("--swarm",), lost=MANAGERS[2:])]


def test_a_recovery_that_was_broken_off_between_consul_and_swarm_finishes_both() -> None:
    both = replace(leads(BOTH), lost_servers=frozenset(CORE[1:]))
    assert decide([both]) == [
        Step(survivor="core-i-1", options=("--consul",), lost=CORE[1:]),
        Step(survivor="core-i-1", options=("--swarm",), lost=CORE[1:]),
    ]


def test_an_interrupted_recovery_never_forgets_a_running_node() -> None:
    """A manager that joins has no place in raft yet, and its row may not be ready."""
    seen = [leads(SERVER), replace(controls(MANAGER), lost_managers=frozenset((MANAGERS[1],)))]
    with pytest.raises(UserError, match="there is nothing to recover"):
        decide([*seen, named(MANAGER, MANAGERS[1])])


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        ([leads(SERVER), controls(MANAGER)], "Consul has a leader and the Swarm a quorum"),
        ([leads(controls(BOTH))], "there is nothing to recover"),
        ([controls(MANAGER)], "no Consul server with data"),
        ([leads(SERVER)], "no Swarm manager with data"),
        ([REPLACEMENT], "no Consul server with data"),
        ([], "no Consul server with data"),
    ],
    ids=["both well", "both well on one node", "no server", "no manager", "a replacement alone", "nobody"],
)
def test_it_is_refused(seen: list[QuorumReport], said: str) -> None:
    with pytest.raises(UserError, match=said):
        decide(seen)


def test_nobody_is_lost_where_all_of_them_run() -> None:
    with pytest.raises(UserError, match="no member is lost"):
        decide([controls(MANAGER), *(named(SERVER, name) for name in SERVERS)])


@pytest.mark.parametrize(
    "seen",
    [
        [controls(MANAGER), SERVER, named(SERVER, "consul-i-2")],
        [controls(MANAGER), SERVER, QuorumReport(name="consul-i-2", address=address("consul-i-2"))],
        [leads(SERVER), MANAGER, named(MANAGER, "managers-i-5")],
    ],
    ids=["servers", "servers, one of them silent", "managers"],
)
def test_a_majority_that_is_there_elects_by_itself(seen: list[QuorumReport]) -> None:
    """One lost member of three, seen while the others still vote: going on alone would split them."""
    with pytest.raises(UserError, match=r"are there \(2 of 3\)"):
        decide(seen)


def test_members_whose_instances_are_terminated_are_proved_to_be_gone() -> None:
    check_proof(["core-i-2", "core-i-3"], {"core-i-1", "core-i-9"}, {"i-2", "i-3"})


@pytest.mark.parametrize(
    ("living", "terminated"),
    [({"core-i-1", "core-i-3"}, {"i-2"}), ({"core-i-1"}, {"i-2"}), ({"core-i-3"}, {"i-2", "i-3"})],
    ids=["switched off", "unknown to EC2", "both said"],
)
def test_a_member_that_may_come_back_is_named(living: set[str], terminated: set[str]) -> None:
    with pytest.raises(UserError, match="core-i-3 may come back"):
        check_proof(["core-i-2", "core-i-3"], living, terminated)
