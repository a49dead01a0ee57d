"""Report of a node about the two quorums, for `swarmer recover`: a type and its JSON. Pure.

Standard library only: it runs on nodes.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from swarmer.core.state import ConsulMember, MemberStatus


@dataclass(frozen=True, kw_only=True)
class QuorumReport:
    """Report of a running node about Consul's servers and the Swarm's managers.

    A silent node has the defaults.
    """

    name: str
    address: str
    members: frozenset[ConsulMember] = frozenset()
    """Members of Consul, including the node itself."""
    has_leader: bool = False
    """Whether a leader answers this Consul server. A remembered leader does not count."""
    last_entry: tuple[int, int] | None = None
    """Term and index of a Consul server's last entry; None for a replacement that never joined raft."""
    has_quorum: bool = False
    """Whether this manager controls the Swarm."""
    managers: frozenset[str] | None = None
    """Addresses of all managers in the memory of a former or present manager; None for all other nodes."""
    lost_servers: frozenset[str] = frozenset()
    """Failed Consul servers outside raft, in the list of a server with a leader."""
    lost_managers: frozenset[str] = frozenset()
    """Dead managers outside raft, in the list of a manager with a quorum."""

    def to_json(self) -> str:
        """Return the text that `python -m node.quorum_report` prints."""
        document = asdict(self)
        document["members"] = [asdict(each) for each in sorted(self.members, key=lambda it: it.name)]
        return json.dumps(document, default=sorted)

    @classmethod
    def from_json(cls, text: str) -> QuorumReport:
        """Parse that text. Raises ValueError if it is no report."""
        try:
            raw: dict[str, Any] = json.loads(text)
            found = cls(**raw)
            return replace(
                found,
                members=frozenset(_member(each) for each in raw["members"]),
                last_entry=None if found.last_entry is None else (found.last_entry[0], found.last_entry[1]),
                managers=None if found.managers is None else frozenset(found.managers),
                lost_servers=frozenset(found.lost_servers),
                lost_managers=frozenset(found.lost_managers),
            )
        except (KeyError, TypeError, IndexError) as exc:
            raise ValueError(f"not a report: {exc!r}") from exc


def _member(raw: dict[str, Any]) -> ConsulMember:
    return ConsulMember(**{**raw, "status": MemberStatus(raw["status"])})
