"""`swarmer recover`: one survivor goes on alone, on the proof that the majority is gone for good."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence

from rehearsal import cloud, engine, nodes
from rehearsal.ground import Ground, Problem
from rehearsal.nodes import Node
from swarmer.adapters import process
from swarmer.adapters.consul import Consul, Unavailable
from swarmer.core import names
from swarmer.core.node import CONSUL_SERVER, SWARM_MANAGER


def recover(g: Ground) -> tuple[str, list[str]]:
    """The survivor that goes on, and the nodes that were forgotten. Raises Problem without proof."""
    up = [node for node in cloud.instances(g, nodes.running(g)) if node.expected.runs]
    survivor, known = find_survivor(up)
    lost = sorted(known - {node.name for node in up})
    check_proof(lost, {node.name for node in cloud.instances(g)}, cloud.terminated(g))
    container = nodes.container_name(g, survivor.name)
    try:
        engine.docker(
            "exec", container, "/opt/swarmer/bin/python", "-m", "node.recover", *lost, timeout_s=240
        )
    except process.Failed as exc:
        raise Problem(f"{survivor.name}: {exc}", status=1) from exc
    return survivor.name, lost


def find_survivor(up: Sequence[Node]) -> tuple[Node, set[str]]:
    """A node that has raft's and Swarm's data, and the members its Consul remembers. Refuses a quorum."""
    for node in up:
        if not {CONSUL_SERVER, SWARM_MANAGER} <= set(node.expected.roles):
            continue
        with contextlib.suppress(Unavailable):
            consul = Consul(node.expected.address, names.CONSUL_HTTP_PORT, timeout_s=15)
            known = {each["Name"] for each in consul.members() if each["Status"] != LEFT}
            if has_quorum(consul):
                raise Problem(
                    "Consul has a leader: there is nothing to recover; `swarmer status` says more", status=1
                )
            if is_founder(consul):
                return node, known
    raise Problem(
        "no node that is both Consul server and Swarm manager survives: nothing to go on with", status=1
    )


LEFT = 3


def has_quorum(consul: Consul) -> bool:
    """A leader answers, not only a memory of one."""
    try:
        return bool(consul.raft_servers())
    except Unavailable:
        return False


def is_founder(consul: Consul) -> bool:
    """It was part of the cluster before: a replacement that never joined raft has nothing to keep."""
    return consul.raft_index() > 0


def check_proof(lost: Sequence[str], living: Collection[str], terminated: Collection[str]) -> None:
    """Raises Problem for a node that may come back: two clusters would be the end of both."""
    if not lost:
        raise Problem("no member is lost: start what is only switched off, with `swarmer up`", status=1)
    for name in lost:
        if name in living or names.instance_id(name) not in terminated:
            raise Problem(
                f"{name} may come back: its instance is not terminated; start it, or terminate it first",
                status=1,
            )
