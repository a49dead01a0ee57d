"""Reports of nodes: they fit, nothing is lost on the way, and together they are one observation."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmer.core.health import Expected
from swarmer.core.merged_reports import merge
from swarmer.core.node_report import LIMIT, REASON_LIMIT, NodeFacts, decode, encode
from swarmer.core.state import MemberStatus, SwarmNode

NAMES = st.from_regex(r"[a-z]{1,8}-i-[0-9a-f]{17}", fullmatch=True)
TEXTS = st.text(max_size=40)
ROWS = st.builds(
    SwarmNode,
    id=st.just(""),
    name=st.just(""),
    role=st.sampled_from(("manager", "worker")),
    state=st.sampled_from(("ready", "down", "unknown")),
    availability=st.sampled_from(("active", "pause", "drain")),
    reachability=st.sampled_from(("", "reachable", "unreachable")),
    is_leader=st.booleans(),
)
FACTS = st.builds(
    NodeFacts,
    is_server=st.booleans(),
    leader=st.sampled_from(("", "10.0.0.4:8300")),
    members=st.dictionaries(NAMES, st.sampled_from(MemberStatus), max_size=6),
    voters=st.frozensets(NAMES, max_size=3),
    swarm=st.dictionaries(NAMES, ROWS, max_size=4).map(
        lambda rows: {name: replace(row, name=name) for name, row in rows.items()}
    ),
    holder=st.one_of(st.just(""), NAMES),
    registry_address=st.sampled_from(("", "10.0.0.4:5000")),
    unhealthy=st.dictionaries(NAMES, TEXTS, max_size=2),
    idle_managers=st.dictionaries(NAMES, TEXTS, max_size=2),
    maintained=st.dictionaries(NAMES, TEXTS, max_size=2),
    registry_answers=st.booleans(),
)


def expected(*found: str, roles: tuple[str, ...] = ("swarm-worker",)) -> list[Expected]:
    return [
        Expected(name=name, instance_id=name, group="g", roles=roles, address="10.0.0.1", zone="a")
        for name in found
    ]


def many(number: int) -> list[str]:
    """Names as long as they get, with IDs that cannot be compressed."""
    chance = random.Random(number)
    return [f"workers-i-{chance.getrandbits(68):017x}" for _ in range(number)]


def large(number: int, **failed: MemberStatus) -> NodeFacts:
    """A manager's facts about so many workers. `failed` has other states, by `n` and the place in `many`."""
    names = many(number)
    states = {names[int(place[1:])]: state for place, state in failed.items()}
    return NodeFacts(
        is_server=True,
        leader="10.0.0.4:8300",
        members=dict.fromkeys(names, MemberStatus.ALIVE) | states,
        swarm={
            name: SwarmNode(id="", name=name, role="worker", state="down" if name in states else "ready")
            for name in names
        },
    )


@given(FACTS)
def test_a_report_that_fits_is_read_as_it_was(facts: NodeFacts) -> None:
    assert decode(encode(facts)) == facts


@given(FACTS, st.integers(0, 400))
def test_a_report_has_one_line_and_never_more_characters_than_the_limit(facts: NodeFacts, more: int) -> None:
    whole = replace(facts, members={**facts.members, **dict.fromkeys(many(more), MemberStatus.FAILED)})
    assert len(encode(whole)) <= LIMIT
    assert "\n" not in encode(whole)


def test_a_hundred_nodes_are_reported_by_name() -> None:
    facts = large(100, n7=MemberStatus.FAILED)
    assert decode(encode(facts)) == facts


def test_of_many_more_the_unusual_ones_are_named_and_the_others_counted() -> None:
    facts, names = large(500, n7=MemberStatus.FAILED), many(500)
    read = decode(encode(facts))
    assert read.members == {names[7]: MemberStatus.FAILED}
    assert (read.more_alive, read.more_ready) == (499, 499)
    found = merge({"a": read}, expected(*names), {})
    assert found.members == facts.members
    assert {name: row.state for name, row in found.swarm.items()} == {
        name: row.state for name, row in facts.swarm.items()
    }


def test_a_node_that_is_not_among_the_counted_ones_is_not_taken_for_alive() -> None:
    names = many(500)
    read = decode(encode(large(500)))
    found = merge({"a": read, names[0]: NodeFacts(leader="10.0.0.4:8300")}, expected(*names, "new"), {})
    assert "new" not in found.members
    assert found.members[names[0]] is MemberStatus.ALIVE


def test_a_long_reason_is_cut() -> None:
    read = decode(encode(NodeFacts(unhealthy={"a": "x" * 1000})))
    assert len(read.unhealthy["a"]) == REASON_LIMIT


@pytest.mark.parametrize("text", ["", "{}", "[]", "z", "zabc", "null", '{"names": 1}', "Traceback"])
def test_what_is_no_report_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        decode(text)


def test_a_server_that_sees_a_leader_speaks_for_consul() -> None:
    alone = NodeFacts(is_server=True, members={"a": MemberStatus.ALIVE, "b": MemberStatus.FAILED})
    worker = NodeFacts(leader="b:8300", members={"a": MemberStatus.ALIVE, "b": MemberStatus.ALIVE})
    server = replace(worker, is_server=True, voters=frozenset({"b"}), holder="b")
    found = merge({"a": alone, "c": worker, "b": server}, expected("a", "b", "c"), {})
    assert (found.leader, set(found.voters), found.holder) == ("b:8300", {"b"}, "b")
    assert found.members == server.members


def test_without_reports_nothing_is_observed() -> None:
    found = merge({}, expected("a"), {})
    assert not found.members
    assert not found.swarm
    assert not found.answers
