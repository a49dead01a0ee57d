"""When a cluster counts as validated."""

from __future__ import annotations

from dataclasses import replace

import pytest

from swarmer.core.health import Expected, Observation, Status, judge
from swarmer.core.state import MemberStatus, SwarmNode

CORE = ("consul-server", "swarm-manager", "swarm-worker")


def expected(name: str, *roles: str) -> Expected:
    return Expected(name=name, instance_id=f"i-{name}", group="g", roles=roles, address="10.0.0.4", zone="a")


def row(
    name: str, role: str, state: str = "ready", reachability: str = "", *, leads: bool = False
) -> SwarmNode:
    return SwarmNode(
        id=f"id-{name}", name=name, role=role, state=state, reachability=reachability, is_leader=leads
    )


NODES = (expected("c1", *CORE), expected("w1", "swarm-worker"))
WELL = Observation(
    members={"c1": MemberStatus.ALIVE, "w1": MemberStatus.ALIVE},
    leader="10.0.0.4:8300",
    voters=frozenset({"c1"}),
    swarm={
        "c1": replace(row("c1", "manager", reachability="reachable"), is_leader=True),
        "w1": row("w1", "worker"),
    },
    holder="c1",
    registry_address="10.0.0.4:5000",
    answers={"c1": True, "w1": True},
)


def observe(**changes: object) -> Status:
    return judge("lab", NODES, replace(WELL, **changes))  # type: ignore[arg-type]


def test_a_cluster_that_is_as_described_is_validated() -> None:
    status = observe()
    assert (status.validated, status.problems) == (True, ())
    assert status.registry.healthy


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"leader": ""}, "Consul has no leader"),
        ({"members": {}}, "Consul answers on no node"),
        ({"members": {"c1": "alive", "w1": "failed"}}, "w1: Consul sees it failed"),
        ({"members": {"c1": "alive"}}, "w1: Consul sees it nowhere"),
        ({"voters": frozenset()}, "c1: a Consul server without a vote"),
        ({"swarm": {}}, "Swarm answers on no manager"),
        ({"unhealthy": {"w1": "/ is full: 3 MiB are left"}}, "w1: / is full: 3 MiB are left"),
        ({"holder": ""}, "no node serves the registry"),
        ({"answers": {"c1": True}}, "w1: the registry does not answer inside a container"),
        ({"silent": {"w1": "its agent is away"}}, "w1: it sent no report: its agent is away"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_wrong_is_said(changes: dict[str, object], problem: str) -> None:
    status = observe(**changes)
    assert not status.validated
    assert problem in status.problems


def test_nothing_is_claimed_of_the_registry_on_a_node_that_sent_no_report() -> None:
    status = observe(answers={"c1": True}, silent={"w1": "its agent is away"})
    assert status.problems == ("w1: it sent no report: its agent is away",)
    assert not status.registry.healthy


def test_a_manager_that_is_unreachable_or_a_worker_by_mistake_is_a_problem() -> None:
    unreachable = row("c1", "manager", reachability="unreachable")
    assert observe(swarm={**WELL.swarm, "c1": unreachable}).problems == (
        "c1: a Swarm manager that is unreachable",
    )
    demoted = row("c1", "worker")
    assert "should be a Swarm manager" in observe(swarm={**WELL.swarm, "c1": demoted}).problems[0]


@pytest.mark.parametrize("reachability", ["reachable", "unreachable"])
def test_a_worker_that_a_person_promoted_is_a_problem(reachability: str) -> None:
    promoted = row("w1", "manager", reachability=reachability)
    assert observe(swarm={**WELL.swarm, "w1": promoted}).problems == (
        "w1: should be a Swarm worker, is a manager",
    )


def test_a_manager_that_dns_leaves_out_is_a_problem_with_its_own_reason() -> None:
    """The key `swarmer/swarm/id` was overwritten: everything else looks well."""
    reason = "it manages Swarm one, but the cluster's is two"
    assert observe(idle_managers={"c1": reason}).problems == (f"c1: a manager in no DNS name: {reason}",)
    unreachable = row("c1", "manager", reachability="unreachable")
    lost = observe(idle_managers={"c1": "no leader"}, swarm={**WELL.swarm, "c1": unreachable})
    assert lost.problems == ("c1: a Swarm manager that is unreachable",)


@pytest.mark.parametrize("availability", ["pause", "drain"])
def test_a_node_that_a_person_drained_is_shown_and_is_no_problem(availability: str) -> None:
    drained = replace(row("w1", "worker"), availability=availability)
    status = observe(swarm={**WELL.swarm, "w1": drained})
    assert (status.validated, [node.availability for node in status.nodes]) == (
        True,
        ["active", availability],
    )
    assert len(status.notes) == 1
    assert f"w1: its availability is {availability}" in status.notes[0]


def test_a_manager_that_is_no_worker_is_drained_by_its_description() -> None:
    manager = replace(row("m1", "manager", reachability="reachable"), availability="drain")
    seen = replace(WELL, swarm={"m1": manager}, members={"m1": MemberStatus.ALIVE}, answers={"m1": True})
    assert judge("lab", (expected("m1", "swarm-manager"),), seen).notes == ()


def test_a_node_in_maintenance_mode_is_a_problem_with_its_reason() -> None:
    assert observe(maintained={"w1": "a new disk", "stranger": ""}).problems == (
        "w1: in Consul's maintenance mode, so in no DNS name (a new disk)",
    )


def test_a_ghost_that_consul_or_swarm_remembers_is_a_problem() -> None:
    ghost = row("x", "worker", "down")
    status = observe(members={**WELL.members, "x": MemberStatus.FAILED}, swarm={**WELL.swarm, "x": ghost})
    assert [problem.split(":")[0] for problem in status.problems] == ["x", "x"]


def test_a_node_that_left_for_good_is_no_ghost() -> None:
    assert observe(members={**WELL.members, "x": "left"}).validated


def test_no_node_at_all_is_no_cluster() -> None:
    assert not judge("lab", (), WELL).validated


def test_a_machine_that_does_not_run_is_down() -> None:
    nodes = (NODES[0], replace(NODES[1], runs=False))
    status = judge("lab", nodes, replace(WELL, members={"c1": MemberStatus.ALIVE, "w1": MemberStatus.FAILED}))
    assert [node.consul for node in status.nodes] == ["alive", "down"]


def test_the_status_is_an_interface() -> None:
    shown = observe().to_json()
    assert list(shown) == ["cluster", "validated", "problems", "nodes", "registry", "version", "notes"]
    wanted = "name instance_id group roles address zone consul swarm swarm_role availability"
    assert list(shown["nodes"][0]) == wanted.split()
    assert shown["registry"] == {"holder": "c1", "address": "10.0.0.4:5000", "healthy": True}


def in_zones(role: str, *zones: str) -> tuple[Expected, ...]:
    return tuple(replace(expected(f"{role}-{i}", role), zone=zone) for i, zone in enumerate(zones))


@pytest.mark.parametrize(
    ("zones", "noted"),
    [
        (("a", "b", "c"), ""),
        (("a", "b", "b"), "2 of 3 Consul servers are in b"),
        (("a", "a", "b", "b", "c"), ""),
        (("a", "a", "a", "b", "c"), "3 of 5 Consul servers are in a"),
        (("a",), ""),
    ],
)
def test_a_zone_whose_loss_ends_the_majority_is_noted(zones: tuple[str, ...], noted: str) -> None:
    workers = in_zones("swarm-worker", "a", "b", "c")
    status = judge("lab", (*in_zones("consul-server", *zones), *workers), Observation())
    assert bool(status.notes) is bool(noted)
    assert all(note.startswith(noted) and "starts in another zone" in note for note in status.notes)


def test_managers_are_noted_too_and_a_cluster_of_two_zones_is_not() -> None:
    managers = in_zones("swarm-manager", "a", "a", "b")
    assert judge("lab", managers, Observation()).notes == ()
    (note,) = judge("lab", (*managers, *in_zones("swarm-worker", "c")), Observation()).notes
    assert note.startswith("2 of 3 Swarm managers are in a")


def test_a_note_does_not_make_the_cluster_unwell() -> None:
    core = tuple(replace(node, roles=CORE) for node in in_zones("core", "a", "a", "b"))
    nodes = (*core, *in_zones("swarm-worker", "c"))
    found = replace(
        WELL,
        members=dict.fromkeys((node.name for node in nodes), MemberStatus.ALIVE),
        voters=frozenset(node.name for node in core),
        swarm={
            node.name: row(node.name, "manager" if node in core else "worker", reachability="reachable")
            for node in nodes
        },
        answers=dict.fromkeys((node.name for node in nodes), True),
    )
    status = judge("lab", nodes, found)
    assert (status.validated, len(status.notes)) == (True, 2)


def test_an_instance_that_auto_scaling_keeps_is_a_problem_however_well_its_node_is() -> None:
    kept = replace(NODES[0], is_retained=True)
    status = judge("lab", (kept, NODES[1]), WELL)
    assert not status.validated
    (problem,) = status.problems
    assert problem.startswith("c1: Auto Scaling keeps it (Terminating:Retained)")
