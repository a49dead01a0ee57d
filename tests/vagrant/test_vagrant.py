"""`vagrant up` with servers.yml as its only input, the machines being containers: one life, in order."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator

import pytest

from swarmer.core import network_plan
from swarmer.local import engine
from tests.vagrant.conftest import Laptop, computer_with_docker, until

pytestmark = pytest.mark.cluster

NAME = "laptop"


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    with computer_with_docker(tmp_path_factory.mktemp(NAME), NAME) as found:
        yield found


def test_three_machines_are_up_and_validated(laptop: Laptop) -> None:
    laptop.vagrant("up")
    status = laptop.validated()
    assert [node["name"] for node in status["nodes"]] == ["core-1", "core-2", "core-3"]
    assert laptop.states() == dict.fromkeys(("core-1", "core-2", "core-3"), "running")
    address = status["nodes"][0]["address"]
    assert len(laptop.run("docker", "-H", f"tcp://{address}:4000", "node", "ls", "-q").split()) == 3
    with urllib.request.urlopen(f"http://{address}:8500/v1/status/leader", timeout=5) as answer:
        assert b":8300" in answer.read()


def test_outside_a_vpc_dockers_networks_have_the_usual_mtu(laptop: Laptop) -> None:
    links = json.loads(engine.docker("exec", f"{NAME}.core-1", "ip", "-j", "link"))
    wanted = dict.fromkeys(("eth0", "docker0", "docker_gwbridge"), network_plan.ETHERNET_MTU)
    assert {each["ifname"]: each["mtu"] for each in links}.items() >= wanted.items()


def test_an_image_pushed_by_one_machine_runs_on_another_and_lies_on_the_host(laptop: Laptop) -> None:
    laptop.push("core-1")
    assert laptop.pulls("core-2")
    assert list(laptop.kept.glob("images/docker/registry/v2/repositories/hello"))


def test_when_the_holders_machine_is_killed_the_registry_moves_and_up_heals(laptop: Laptop) -> None:
    holder = laptop.validated()["registry"]["holder"]
    other = next(name for name in ("core-1", "core-2", "core-3") if name != holder)
    engine.docker("kill", f"{NAME}.{holder}")
    until(lambda: laptop.pulls(other), 60, "nobody serves the registry")
    assert laptop.states()[holder] == "stopped"
    laptop.vagrant("up", holder)
    assert laptop.validated()["registry"]["holder"] != holder


def test_when_everything_is_destroyed_only_the_images_are_left(laptop: Laptop) -> None:
    laptop.vagrant("destroy", "-f")
    assert engine.docker("ps", "-aq", "--filter", f"label={laptop.label}") == ""
    assert engine.docker("network", "ls", "-q", "--filter", f"label={laptop.label}") == ""
    assert [path.name for path in laptop.kept.iterdir()] == ["images"]
    assert list(laptop.kept.glob("images/docker/registry/v2/repositories/hello"))
