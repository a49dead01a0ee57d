"""Identity of the cluster: the parts a fault may take from Consul, and the parts that must stay the same.

`differences` is pure; `Identity` observes and deletes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from chaos.lab import Lab, Node
from swarmer.core import names

PREFIX: Final = "swarmer/swarm/"
PUBLISHED: Final = (names.KV_SWARM_ID, names.KV_TOKEN_WORKER, names.KV_TOKEN_MANAGER)
"""Keys for joining the Swarm. The lock below PREFIX must not be deleted."""
KEPT: Final = "faults/kept"
"""Key of an operator, as proof that Consul is still the old one."""
IN_SWARM: Final = "{{.Swarm.LocalNodeState}} {{.Swarm.NodeID}} {{with .Swarm.Cluster}}{{.ID}}{{end}}"
WIPE: Final = "systemctl stop consul.service && find /var/lib/consul -mindepth 1 -delete"


@dataclass(frozen=True, kw_only=True)
class Picture:
    """State of the cluster at one moment."""

    keys: Mapping[str, tuple[str, int]]
    """Value and CreateIndex by key; the index shows whether a key was created again."""
    swarms: Mapping[str, tuple[str, ...]]
    """State in the Swarm by node: state, node ID, and on a manager the Swarm's ID."""
    raft: Mapping[str, str]
    """ID by voter's address. The ID is stored with the voter's data."""
    indexes: Mapping[str, int]
    """Index of the last raft entry, by server."""


def differences(
    before: Picture, now: Picture, *, forgotten: tuple[str, ...] = (), wiped: tuple[str, ...] = ()
) -> list[str]:
    """Differences between two pictures, in words.

    `forgotten`: keys that must be created again. `wiped`: addresses of servers that must begin without data.
    """
    return [
        *(text for key in before.keys if (text := _of_key(key, before, now, key in forgotten))),
        *(
            f"{node} is {' '.join(now.swarms.get(node, ('nowhere',)))} in Swarm, and was {' '.join(was)}"
            for node, was in before.swarms.items()
            if now.swarms.get(node) != was
        ),
        *_of_raft(before, now, wiped),
        *(
            f"{server}'s raft began again: it is at {now.indexes.get(server, 0)}, and was at {was}"
            for server, was in before.indexes.items()
            if now.indexes.get(server, 0) < was
        ),
    ]


def _of_key(key: str, before: Picture, now: Picture, is_forgotten: bool) -> str:
    """Difference of one key, without its value, because tokens are secrets."""
    (value, made), (new_value, new_made) = before.keys[key], now.keys.get(key, ("", 0))
    if not new_made:
        return f"{key} is not there"
    if value != new_value:
        return f"{key} is another"
    if is_forgotten == (made == new_made):
        return f"{key} was not forgotten" if is_forgotten else f"{key} was created again"
    return ""


def _of_raft(before: Picture, now: Picture, wiped: tuple[str, ...]) -> list[str]:
    found = []
    if set(before.raft) != set(now.raft):
        found.append(f"raft's voters are {', '.join(sorted(now.raft))}, not {', '.join(sorted(before.raft))}")
    for address in before.raft.keys() & now.raft.keys():
        is_same, is_wiped = before.raft[address] == now.raft[address], address in wiped
        if is_same == is_wiped:
            found.append(f"{address} {'still has its old data' if is_wiped else 'began again in raft'}")
    return found


@dataclass
class Identity:
    """Identity of one cluster, before a fault and after it."""

    nodes: list[Node] = field(default_factory=list)
    before: Picture | None = None
    forgotten: tuple[str, ...] = ()
    wiped: tuple[str, ...] = ()

    # -- victims ----------------------------------------------------------------------------------

    def everyone(self, lab: Lab) -> list[Node]:
        self.nodes = list(lab.nodes)
        return self.nodes

    def one_server(self, lab: Lab) -> list[Node]:
        """Server with as few leading roles as possible."""
        self.nodes = list(lab.nodes)
        return [lab.follower()]

    # -- actions ----------------------------------------------------------------------------------

    def forget(self, _: list[Node]) -> None:
        """Delete Consul's keys for joining the Swarm. Raises Failure."""
        self.remember(forgotten=PUBLISHED)
        script = " && ".join(f"consul kv delete {key}" for key in PUBLISHED)
        self._servers()[0].on("sh", "-c", script)

    def wipe(self, nodes: list[Node]) -> None:
        """Delete all data of Consul on these nodes, including its node ID. Consul stays stopped. Raises
        Failure."""
        self._servers()[0].on("consul", "kv", "put", KEPT, "before")
        self.remember(wiped=tuple(node.address for node in nodes))
        for node in nodes:
            node.on("sh", "-c", WIPE)

    def remember(self, *, forgotten: tuple[str, ...] = (), wiped: tuple[str, ...] = ()) -> None:
        """Keep the present picture. Raises Failure."""
        self.forgotten, self.wiped, self.before = forgotten, wiped, self._look(wiped)

    def lacks(self) -> list[str]:
        """Differences from the kept picture. Raises Failure."""
        if self.before is None:
            return ["nobody looked who the cluster was"]
        return differences(self.before, self._look(self.wiped), forgotten=self.forgotten, wiped=self.wiped)

    def clean_up(self, _: Lab) -> None:
        """Delete the operator's key. Raises Failure."""
        self._servers()[0].on("consul", "kv", "delete", KEPT)

    # -- observations -----------------------------------------------------------------------------

    def _servers(self, but: tuple[str, ...] = ()) -> list[Node]:
        return [each for each in self.nodes if "consul-server" in each.roles and each.address not in but]

    def _look(self, wiped: tuple[str, ...]) -> Picture:
        servers = self._servers(wiped)
        asked = servers[0]
        seen = Picture(
            keys=_keys(asked.consul(f"kv/{PREFIX}?recurse"), PUBLISHED),
            swarms={
                node.name: tuple(node.on("docker", "info", "-f", IN_SWARM).split()) for node in self.nodes
            },
            raft={
                each["Address"].partition(":")[0]: each["ID"]
                for each in asked.consul("operator/raft/configuration")["Servers"]
                if each["Voter"]
            },
            indexes={
                node.name: int(node.consul("agent/self")["Stats"]["raft"]["last_log_index"])
                for node in servers
            },
        )
        if not wiped:
            return seen
        return replace(seen, keys={**seen.keys, **_keys(asked.consul(f"kv/{KEPT}"), (KEPT,))})


def _keys(entries: list[dict[str, Any]], wanted: tuple[str, ...]) -> dict[str, tuple[str, int]]:
    """Keys in the format of Picture."""
    return {each["Key"]: (each["Value"], each["CreateIndex"]) for each in entries if each["Key"] in wanted}
