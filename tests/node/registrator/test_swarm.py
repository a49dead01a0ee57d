"""The registrator of a node of a Swarm. It comes last: a dockerd that was in one keeps networks of it."""

from __future__ import annotations

from swarmer.core import names as known
from tests.node.lab import ENGINE_ADDRESS, IMAGE, Agent, Dockerd, until


def test_what_swarm_publishes_is_declared_by_who_answers(agent: Agent, dockerd: Dockerd) -> None:
    agent.start("-resync", "1")
    dockerd.docker("swarm", "init", "--advertise-addr", ENGINE_ADDRESS)
    try:
        command = (IMAGE, "/bin/sleep", "3600")
        dockerd.docker("service", "create", "-qd", "--name", "web", "-p", "8080:80", *command)
        until(lambda: agent.ports() == {"n1:mesh.web:80": "8080"}, 30)
        # The key is written again after a deletion.
        agent.consul.client().delete(known.KV_SWARM_MESH)
        until(lambda: agent.consul.client().get(known.KV_SWARM_MESH) is not None, 10)
        until(lambda: agent.ports() == {"n1:mesh.web:80": "8080"}, 10)
        host = ("--publish", "mode=host,target=80", "--replicas", "2")
        dockerd.docker("service", "create", "-qd", "--name", "task", *host, *command)
        until(lambda: len(agent.ports()) == 3, 30)
        tasks = [each for each in agent.consul.client().services() if each.name == "tiny"]
        assert {each.meta["swarm-slot"] for each in tasks} == {"1", "2"}
        assert all({"service-task", "node-n1"} <= set(each.tags) for each in tasks)
        dockerd.docker("service", "update", "-qd", "--publish-rm", "80", "web")
        dockerd.docker("service", "rm", "task")
        until(agent.has(), 30)
    finally:
        dockerd.docker("swarm", "leave", "--force")
