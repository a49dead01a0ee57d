"""How a node says that it is not well."""

from __future__ import annotations

import pytest

from node import health
from swarmer.adapters.consul import Consul, Unavailable
from swarmer.core import names
from swarmer.core.node_health import HANG_TIMEOUT_S, FileSystem
from swarmer.core.state import ServiceInstance
from tests.node.conftest import free_port
from tests.node.daemons.daemon import Daemon, eventually

FULL = FileSystem(path="/var/lib/docker", free_bytes=1 << 20, size_bytes=20 << 30, free_inodes=9, inodes=9)


def silent() -> None:
    raise Unavailable("timed out")


@pytest.fixture(autouse=True)
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every check looks."""
    monkeypatch.setattr(health, "CHECK_INTERVAL_S", 0.0)


def checks_of(agent: Daemon) -> health.HealthChecks:
    return health.HealthChecks(agent.address, agent.api, probes={})


def test_a_node_that_is_well_has_a_name_for_all_of_them(left: Daemon) -> None:
    checks_of(left).check()
    eventually(lambda: left.machine.name in {each.node for each in healthy(left)})
    assert left.machine.name not in left.api.unhealthy(names.SERVICE_NODE)


def healthy(agent: Daemon) -> tuple[ServiceInstance, ...]:
    return agent.api.healthy(names.SERVICE_NODE)


def test_a_full_disk_is_said_to_everybody_and_taken_back(
    left: Daemon, right: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = checks_of(left)
    with monkeypatch.context() as patch:
        patch.setattr(health, "file_systems", lambda: [FULL])
        node.check()
        said = {left.machine.name: "/var/lib/docker is full: 1 MiB are left"}
        eventually(lambda: said.items() <= right.api.unhealthy(names.SERVICE_NODE).items())
    node.check()
    eventually(lambda: left.machine.name not in right.api.unhealthy(names.SERVICE_NODE))


def test_a_daemon_that_hangs_is_killed_once_and_given_time(
    left: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[str] = []
    now_s = 1000.0
    monkeypatch.setattr(health, "kill", killed.append)
    monkeypatch.setattr(health, "active_s", lambda _: 900.0)
    monkeypatch.setattr("time.monotonic", lambda: now_s)
    node = health.HealthChecks(left.address, left.api, probes={"docker.service": silent})
    for _ in range(8):
        node.check()
        now_s += HANG_TIMEOUT_S / 4
    assert killed == ["docker.service"]


def test_a_question_that_costs_a_process_is_asked_seldom_until_it_is_not_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s, asked_s = 1000.0, []
    monkeypatch.setattr("time.monotonic", lambda: now_s)

    def ask() -> None:
        asked_s.append(now_s - 1000)
        if now_s >= 1060:
            raise Unavailable("timed out")

    nobody = Consul("127.0.0.1", free_port())
    node = health.HealthChecks("127.0.0.1", nobody, probes={names.UNIT_CONTAINERD: ask})
    for _ in range(9):
        now_s += 10
        node.check()
    assert asked_s == [10, 40, 70, 80, 90]


def test_every_file_system_is_looked_at_once() -> None:
    found = health.file_systems()
    assert "/" in {each.path for each in found}
    assert all(each.size_bytes >= each.free_bytes > 0 for each in found)
