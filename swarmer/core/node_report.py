"""Report of a node for `swarmer status`: its view of the cluster, in at most LIMIT characters. Pure.

Run Command cuts output at 2,500 characters (Systems Manager API, `CommandPlugin`: Output). A long report is
compressed. If it is still too long, it names only unusual entries, and counts the rest.

Standard library only: it runs on nodes.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from swarmer.core.state import MemberStatus, SwarmNode

LIMIT: Final = 2000
"""Maximum number of characters of a report."""
COMPRESSED: Final = "z"
"""First character of a compressed report; a plain one starts with a brace."""
ABSENT: Final = "."
"""Code of a name that a table leaves out."""
FIRST_CODE: Final = ord("0")
REASON_LIMIT: Final = 200
"""Maximum number of characters of a reason."""
CUTS: Final = (100, 30, 10, 3, 0)
"""Numbers of unusual entries that a report keeps, tried in this order."""

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class NodeFacts:
    """Facts from one node. Empty fields: the source did not answer the node."""

    is_server: bool = False
    """Whether the node is a Consul server: only servers report voters, services and reasons."""
    leader: str = ""
    """Consul's leader as `address:port`."""
    members: Mapping[str, MemberStatus] = field(default_factory=dict)
    """Consul's members, by node name."""
    more_alive: int = 0
    """Number of alive members that `members` leaves out."""
    voters: frozenset[str] = frozenset()
    """Names of raft's voters."""
    swarm: Mapping[str, SwarmNode] = field(default_factory=dict)
    """Nodes of the Swarm by host name, without ID and address; empty if the node controls no Swarm."""
    more_ready: int = 0
    """Number of ready and active workers that `swarm` leaves out."""
    holder: str = ""
    """Name of the node that serves the registry by Consul's catalogue."""
    registry_address: str = ""
    """Address of the registry as `address:port`."""
    unhealthy: Mapping[str, str] = field(default_factory=dict)
    """Problems that a node itself reports, by node name."""
    idle_managers: Mapping[str, str] = field(default_factory=dict)
    """Reason why a manager controls no Swarm, by its name."""
    maintained: Mapping[str, str] = field(default_factory=dict)
    """Reason for Consul's maintenance mode, by node name."""
    registry_answers: bool = False
    """Whether the registry answered under its name inside a container of the node."""


def encode(facts: NodeFacts) -> str:
    """Write a report of at most LIMIT characters, in one line."""
    facts = _with_short_reasons(facts)
    for text in (_plain(facts), _compressed(facts)):
        if len(text) <= LIMIT:
            return text
    return next(text for most in CUTS if len(text := _compressed(_abridged(facts, most))) <= LIMIT)


def decode(text: str) -> NodeFacts:
    """Read a report. Raises ValueError if it is none."""
    try:
        plain = text.strip()
        if plain.startswith(COMPRESSED):
            plain = zlib.decompress(base64.b85decode(plain[1:])).decode()
        return _facts(json.loads(plain))
    except (KeyError, TypeError, IndexError, AttributeError, zlib.error, UnicodeDecodeError) as exc:
        raise ValueError(f"not a report: {exc!r}") from exc


def _plain(facts: NodeFacts) -> str:
    return json.dumps(_document(facts), separators=(",", ":"))


def _compressed(facts: NodeFacts) -> str:
    return COMPRESSED + base64.b85encode(zlib.compress(_plain(facts).encode(), 9)).decode()


def _document(facts: NodeFacts) -> dict[str, Any]:
    """Value for JSON with every name once, and tables with a character per name."""
    known = sorted({*facts.members, *facts.swarm})
    document = {
        "server": int(facts.is_server),
        "leader": facts.leader,
        "names": known,
        "members": _table(known, {name: str(state) for name, state in facts.members.items()}),
        "swarm": _table(known, {name: _row(each) for name, each in facts.swarm.items()}),
        "voters": [known.index(name) if name in known else name for name in sorted(facts.voters)],
        "more": [facts.more_alive, facts.more_ready],
        "registry": [facts.holder, facts.registry_address, int(facts.registry_answers)],
        "reasons": [dict(facts.unhealthy), dict(facts.idle_managers), dict(facts.maintained)],
    }
    return document


def _facts(document: Mapping[str, Any]) -> NodeFacts:
    known = document["names"]
    holder, address, answers = document["registry"]
    unhealthy, idle, maintained = document["reasons"]
    more_alive, more_ready = document["more"]
    return NodeFacts(
        is_server=bool(document["server"]),
        leader=document["leader"],
        members={name: MemberStatus(value) for name, value in _entries(known, document["members"])},
        more_alive=more_alive,
        voters=frozenset(known[it] if isinstance(it, int) else it for it in document["voters"]),
        swarm={name: _swarm_node(name, value) for name, value in _entries(known, document["swarm"])},
        more_ready=more_ready,
        holder=holder,
        registry_address=address,
        unhealthy=unhealthy,
        idle_managers=idle,
        maintained=maintained,
        registry_answers=bool(answers),
    )


def _table(known: Iterable[str], values: Mapping[str, str]) -> list[Any]:
    """Table: the list of different values, and a text with the code of each name's value."""
    different = sorted(set(values.values()))
    codes = {value: chr(FIRST_CODE + number) for number, value in enumerate(different)}
    return [different, "".join(codes[values[name]] if name in values else ABSENT for name in known)]


def _entries(known: Iterable[str], table: Any) -> Iterable[tuple[str, str]]:
    different, codes = table
    for name, code in zip(known, codes, strict=True):
        if code != ABSENT:
            yield name, different[ord(code) - FIRST_CODE]


def _row(node: SwarmNode) -> str:
    return " ".join(
        (node.role, node.state, node.availability, node.reachability or "-", "*" if node.is_leader else "-")
    )


def _swarm_node(name: str, row: str) -> SwarmNode:
    role, state, availability, reachability, leader = row.split(" ")
    return SwarmNode(
        id="",
        name=name,
        role=role,
        state=state,
        availability=availability,
        reachability="" if reachability == "-" else reachability,
        is_leader=leader == "*",
    )


def _with_short_reasons(facts: NodeFacts) -> NodeFacts:
    return replace(
        facts,
        unhealthy=_shortened(facts.unhealthy),
        idle_managers=_shortened(facts.idle_managers),
        maintained=_shortened(facts.maintained),
    )


def _shortened(reasons: Mapping[str, str]) -> dict[str, str]:
    return {
        name: text if len(text) <= REASON_LIMIT else f"{text[: REASON_LIMIT - 1]}…"
        for name, text in reasons.items()
    }


def _abridged(facts: NodeFacts, most: int) -> NodeFacts:
    """Facts without usual members and workers, and with at most `most` unusual ones of a kind."""
    members = {name: state for name, state in facts.members.items() if state is not MemberStatus.ALIVE}
    swarm = {name: each for name, each in facts.swarm.items() if not _is_usual(each)}
    return replace(
        facts,
        members=_first(members, most),
        more_alive=facts.more_alive + len(facts.members) - len(members),
        swarm=_first(swarm, most),
        more_ready=facts.more_ready + len(facts.swarm) - len(swarm),
        unhealthy=_first(facts.unhealthy, most),
        idle_managers=_first(facts.idle_managers, most),
        maintained=_first(facts.maintained, most),
    )


def _is_usual(node: SwarmNode) -> bool:
    return node.role == "worker" and node.is_ready and node.availability == "active"


def _first(entries: Mapping[str, Value], most: int) -> dict[str, Value]:
    return dict(sorted(entries.items())[:most])
