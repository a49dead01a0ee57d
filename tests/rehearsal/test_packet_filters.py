"""Packet filters reach the machines: before they start, and whenever something changes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from swarmer.adapters import process
from swarmer.core import description
from swarmer.core.health import Expected
from swarmer.core.state import HostContainer
from swarmer.fakeaws.ec2.packet_filter import ANYWHERE, Group, Network, Rule
from swarmer.local import engine, environment, node_containers
from swarmer.local.environment import Environment
from swarmer.local.node_containers import Node
from swarmer.providers.rehearsal import packet_filters
from swarmer.providers.rehearsal.packet_filters import PacketFilters
from swarmer.providers.rehearsal.runtime.pool import command

NODES, FUNCTIONS = "sg-nodes", "sg-functions"
NETWORK = Network(
    cidr="10.44.0.0/16",
    groups={
        NODES: Group(ingress=(Rule(id="sgr-1", protocol="tcp", first=8500, last=8500, peer=NODES),)),
        FUNCTIONS: Group(egress=(Rule(id="sgr-2", protocol="tcp", first=443, last=443, peer=ANYWHERE),)),
    },
    members={NODES: ("10.44.1.4",)},
    endpoint=("10.44.0.1", 4566),
)


@dataclass
class Deployed:
    """Groups that a test changes."""

    network: Network = NETWORK
    instances: dict[str, tuple[str, ...]] = field(default_factory=lambda: {"i-1": (NODES,)})
    asked: list[Any] = field(default_factory=list)

    def observe(self, *asked: Any) -> Deployed:
        self.asked[:] = asked
        return self

    def launch(self, instance: str, address: str) -> None:
        members = {NODES: (*self.network.members[NODES], address)}
        self.network = replace(self.network, members=members)
        self.instances[instance] = (NODES,)


@pytest.fixture
def env(small: Path) -> Iterator[Environment]:
    made = Environment(cluster=description.load(small), servers=small)
    yield made
    shutil.rmtree(made.state, ignore_errors=True)


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the machines that were told to load their filter."""
    told: list[str] = []

    def docker(verb: str, name: str, *argv: str, **_: Any) -> str:
        assert (verb, argv) == ("exec", node_containers.LOAD_FILTER)
        told.append(name)
        return ""

    monkeypatch.setattr(engine, "docker", docker)
    return told


def machine(instance: str, *, started_s_ago: float = 0.0, is_running: bool = True) -> HostContainer:
    started = datetime.now(UTC) - timedelta(seconds=started_s_ago)
    return HostContainer(
        id=instance,
        name=instance,
        labels={environment.LABEL_INSTANCE: instance},
        is_running=is_running,
        started_at=f"{started:%Y-%m-%dT%H:%M:%S}.000000000Z",
        chosen_addresses={},
    )


def test_an_instance_has_its_filter_before_it_has_a_machine(env: Environment) -> None:
    deployed = Deployed()
    assert PacketFilters(deployed.observe).write(env)
    assert "sgr_1" in packet_filters.path(env, "i-1").read_text()
    assert deployed.asked == ["10.44.0.0/16", ("10.44.0.1", 4566), ("10.44.0.1", "10.44.255.254")]


def test_a_change_is_reported_once(env: Environment) -> None:
    deployed = Deployed()
    filters = PacketFilters(deployed.observe)
    assert filters.write(env)
    assert not filters.write(env)
    deployed.launch("i-2", "10.44.1.5")
    assert filters.write(env)
    for instance in ("i-1", "i-2"):
        assert "10.44.1.5" in packet_filters.path(env, instance).read_text()


def test_running_machines_load_each_change_once(env: Environment, loads: list[str]) -> None:
    deployed = Deployed()
    filters = PacketFilters(deployed.observe)
    filters.write(env)
    running = [machine("i-1", started_s_ago=60)]
    for _ in range(2):
        filters.load(env, running)
    assert loads == ["i-1"]
    deployed.launch("i-2", "10.44.1.5")
    filters.write(env)
    filters.load(env, running)
    assert loads == ["i-1", "i-1"]


def test_a_machine_that_started_with_the_file_is_left_alone(env: Environment, loads: list[str]) -> None:
    filters = PacketFilters(Deployed().observe)
    filters.write(env)
    filters.load(env, [machine("i-1", started_s_ago=-60)])
    assert loads == []


def test_a_machine_without_power_is_left_alone_until_it_starts(env: Environment, loads: list[str]) -> None:
    filters = PacketFilters(Deployed().observe)
    filters.write(env)
    filters.load(env, [machine("i-1", is_running=False)])
    assert loads == []
    filters.load(env, [machine("i-1")])
    assert loads == ["i-1"]


def test_a_load_that_failed_is_tried_again(env: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[str] = []

    def docker(*argv: str, **_: Any) -> str:
        tries.append(argv[1])
        raise process.Failed("Container is paused")

    monkeypatch.setattr(engine, "docker", docker)
    filters = PacketFilters(Deployed().observe)
    filters.write(env)
    for _ in range(2):
        filters.load(env, [machine("i-1")])
    assert tries == ["i-1", "i-1"]


def test_no_program_of_a_node_runs_before_its_filter(env: Environment) -> None:
    expected = Expected(
        name="all-i-1", instance_id="i-1", group="all", roles=(), address="10.44.1.4", zone="a", runs=True
    )
    argv = node_containers.create_arguments(
        env, Node(expected=expected, user_data=""), "image", node_containers.seed_folder(env, "i-1")
    )
    first = argv[argv.index("image") + 1 :]
    assert first == ["sh", "-c", f"{' '.join(node_containers.LOAD_FILTER)} && exec /lib/systemd/systemd"]
    assert f"{packet_filters.path(env, 'i-1').parent}:{node_containers.SEED}:ro" in argv


def test_a_function_loads_its_filter_and_then_has_no_right_to_change_it(env: Environment) -> None:
    text = PacketFilters(Deployed().observe).of_function(env, (FUNCTIONS,))
    argv = command("image", text)
    script = argv[argv.index("-c") + 1]
    assert script.index("nft -f -") < script.index("exec setpriv")
    assert "--bounding-set=-all" in script
    assert "--reuid 993" in script
    assert text in argv


def test_a_function_outside_a_vpc_gets_no_capability() -> None:
    argv = command("image", "")
    assert "--cap-add" not in argv
    assert argv[:2] == ["--user", "993:990"]
