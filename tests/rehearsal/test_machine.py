"""Messages of the rehearsal on machines without permission to install packages."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from swarmer.adapters import process
from swarmer.core import description
from swarmer.core.errors import UserError
from swarmer.core.sections import Network
from swarmer.local import engine, environment, host, node_containers, node_image
from swarmer.local.console import Console
from swarmer.local.environment import Environment
from swarmer.providers.rehearsal import cloud
from swarmer.providers.rehearsal.up import AlreadyRunning, exclusive


@pytest.fixture
def g(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    monkeypatch.setattr(environment, "STATE", tmp_path / "state")
    return Environment(cluster=description.load(small), servers=small)


@pytest.mark.parametrize("why", ["not root", "not Debian"])
def test_what_is_missing_is_named_where_it_cannot_be_installed(
    why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if why == "not root":
        monkeypatch.setattr("os.geteuid", lambda: 1000)
    else:
        monkeypatch.setattr("shutil.which", lambda command: None)
    with pytest.raises(UserError) as caught:
        host.ensure_packages(("no-such-command", "some-package"))
    assert "sudo apt-get install some-package" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.status == 2


def test_what_is_there_is_not_installed_again() -> None:
    assert host.ensure_packages(("sh", "dash")) is False


def test_who_installs_something_else_meanwhile_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person, or unattended upgrades: apt-get by itself fails at once."""
    run = process.run
    monkeypatch.setattr(process, "run", lambda argv, **how: "update" in argv or run(argv, **how))
    with Path("/var/lib/dpkg/lock-frontend").open("r+") as held, ThreadPoolExecutor() as pool:
        fcntl.lockf(held, fcntl.LOCK_EX)
        installed = pool.submit(host.ensure_packages, ("no-such-command", "dash"))
        time.sleep(1.5)
        assert not installed.done()
        fcntl.lockf(held, fcntl.LOCK_UN)
        assert installed.result(60)


def test_of_many_who_need_the_engine_at_once_one_starts_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answering: list[str] = []

    def start() -> None:
        time.sleep(0.1)
        answering.append("20.10.24")

    monkeypatch.setattr(environment, "STATE", tmp_path)
    monkeypatch.setattr(host, "engine_version", lambda: answering[0] if answering else None)
    monkeypatch.setattr(host, "ensure_packages", lambda *wanted: False)
    monkeypatch.setattr(host, "_start_engine", start)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with ThreadPoolExecutor() as pool:
        assert list(pool.map(lambda _: host.ensure_engine(), range(4))) == ["20.10.24"] * 4
    assert len(answering) == 1


def test_a_process_that_got_the_number_of_ours_is_not_taken_for_it() -> None:
    assert not host.is_running(1, "swarmer.providers.rehearsal.daemon")
    assert not host.is_running(2**22 + 1, "swarmer.providers.rehearsal.daemon")


def test_docker_commands_of_the_rehearsal_never_go_where_people_point_docker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://10.42.64.4:4000")
    monkeypatch.setenv("DOCKER_CONTEXT", "cluster")
    assert engine.docker_environment()["DOCKER_HOST"] == "unix:///var/run/docker.sock"
    assert "DOCKER_CONTEXT" not in engine.docker_environment()


def test_credentials_of_a_real_account_do_not_reach_the_rehearsal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "secret")
    found = environment.aws_environment("http://localhost:1")
    assert "AWS_PROFILE" not in found
    assert "AWS_SESSION_TOKEN" not in found
    assert found["AWS_ENDPOINT_URL"] == "http://localhost:1"


def test_only_one_up_of_a_cluster_is_at_work(g: Environment) -> None:
    with (
        exclusive(g),
        pytest.raises(AlreadyRunning, match=r"process \d+ already starts small"),
        exclusive(g),
    ):
        pass
    with exclusive(g):
        pass


def test_a_node_is_found_by_name_address_or_a_part_that_only_it_has(g: Environment) -> None:
    known = {"core-i-0a": "10.0.0.4", "core-i-0b": "10.0.0.5"}
    assert node_containers.find(g, known, "core-i-0a") == "core-i-0a"
    assert node_containers.find(g, known, "10.0.0.5") == "core-i-0b"
    assert node_containers.find(g, known, "0b") == "core-i-0b"
    with pytest.raises(UserError, match="2 nodes have 'core' in their name"):
        node_containers.find(g, known, "core")
    with pytest.raises(UserError, match="no node is called 'x'; the nodes of small: core-i-0a, core-i-0b"):
        node_containers.find(g, known, "x")


def test_a_console_tells_progress_readiness_and_death(g: Environment) -> None:
    console = Console(g, "core-i-0a", "")
    console.handle_line("[    1.0] python[7]: swarmer: waits for a Consul leader")
    assert (console.phase, console.is_ready, console.dead_reason) == ("waits for a Consul leader", False, "")
    console.handle_line("[    2.0] python[7]: swarmer: ready")
    assert console.is_ready
    console.handle_line("[    3.0] python[7]: swarmer: serves the registry")
    assert console.phase == "ready"
    console.handle_line("[    4.0] sh[9]: swarmer: dead: swarmer-configure.service failed")
    assert console.dead_reason == "swarmer-configure.service failed"


def test_a_node_image_that_another_checkout_has_just_made_is_left_to_it() -> None:
    """The image was removed between its making and its first container. The other's nodes got no machine."""
    now = datetime(2026, 11, 24, 19, 0, tzinfo=UTC)
    assert not node_image.is_outdated("2026-11-24T18:56:48.123456789Z", now)
    assert node_image.is_outdated("2026-11-24T17:59:59.123456789Z", now)


def test_a_cluster_that_is_there_does_not_move_to_another_region(g: Environment) -> None:
    cloud.ensure_region(g)
    cloud.ensure_region(g)
    zones = Network(cidr=g.cluster.network.cidr, zones=("eu-central-1a",))
    moved = replace(g, cluster=g.cluster.model_copy(update={"network": zones}))
    told = "network.zones: small exists already in us-east-1 and cannot move to eu-central-1"
    with pytest.raises(UserError, match=told):
        cloud.ensure_region(moved)
    cloud.ensure_region(g)


@pytest.mark.parametrize(
    ("create", "mtu"),
    [
        (node_containers.ensure_network, 9001),
        (lambda env: node_containers.create_network(env, "lan", "label"), 1500),
    ],
    ids=["a VPC", "any other network"],
)
def test_a_rehearsed_vpc_carries_what_a_vpc_carries(
    g: Environment, monkeypatch: pytest.MonkeyPatch, create: Callable[[Environment], None], mtu: int
) -> None:
    made: list[str] = []

    def docker(*argv: str) -> str:
        made.extend(argv)
        return ""

    monkeypatch.setattr(engine, "docker", docker)
    create(g)
    assert f"com.docker.network.driver.mtu={mtu}" in made


def test_a_cluster_that_is_there_does_not_move_to_another_network(
    g: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def docker(*argv: str) -> str:
        asked.append(argv[1])
        return {"ls": "0123456789ab", "inspect": "10.9.0.0/16"}[argv[1]]

    monkeypatch.setattr(engine, "docker", docker)
    with pytest.raises(UserError) as caught:
        node_containers.ensure_network(g)
    assert "network.cidr: small exists already in 10.9.0.0/16 and cannot move to 10.44.0.0/16" in str(
        caught.value
    )
    assert asked == ["ls", "inspect"], "nothing is made"
