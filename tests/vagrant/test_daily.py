"""The commands of docs/tutorial/vagrant.md, as they stand there, one life of a cluster in order.

`make test-vagrant` runs it: shutting machines down in order and making them again takes minutes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from swarmer.local import engine, environment
from swarmer.providers.vagrant import plan
from tests.docs import pages
from tests.docs.pages import ROOT
from tests.vagrant.conftest import CORE, Laptop, computer_with_docker, until

pytestmark = pytest.mark.timeout(1200)

NAME = "desktop"
WORKERS = "  workers: {{roles: [swarm-worker], min: {}, max: 3}}\n"
CORES = ["core-1", "core-2", "core-3"]
ALL = [*CORES, "workers-1", "workers-2"]


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    with computer_with_docker(tmp_path_factory.mktemp(NAME), NAME, CORE + WORKERS.format(2)) as found:
        yield found


def names(laptop: Laptop) -> list[str]:
    """Names of the machines, after a wait until all of them are healthy."""
    return [node["name"] for node in laptop.validated(180)["nodes"]]


def test_addresses_that_are_taken_already_are_named(laptop: Laptop) -> None:
    label = ("--label", f"{plan.LABEL}={environment.ROOT}", "--label", laptop.label)
    engine.docker("network", "create", *label, "--subnet", "10.46.0.0/24", f"{NAME}-other")
    said = laptop.fails("vagrant up")
    engine.docker("network", "rm", f"{NAME}-other")
    assert "network.cidr: 10.46.0.0/16 cannot be a network on this machine" in said
    assert engine.docker("ps", "-aq", "--filter", f"label={laptop.label}") == ""


def test_groups_that_change_get_their_least_and_others_when_asked_for(laptop: Laptop) -> None:
    laptop.types("vagrant up --provider docker")
    assert names(laptop) == ALL
    laptop.types(".venv/bin/swarmer vagrant status --wait 60")
    laptop.types("vagrant up workers-3")
    assert names(laptop) == [*ALL, "workers-3"]
    assert laptop.types("vagrant status").count("running (docker)") == 6
    shown = laptop.types(".venv/bin/swarmer vagrant status")
    assert all(name in shown for name in (*ALL, "workers-3"))
    laptop.types("vagrant destroy -f workers-3")
    assert names(laptop) == ALL


def test_it_is_used_by_the_addresses_that_are_listed(laptop: Laptop) -> None:
    listed = laptop.types(".venv/bin/swarmer machines")
    assert "core-1     10.46.0.10" in listed
    assert len(laptop.types("docker -H tcp://10.42.0.10:4000 node ls").splitlines()) == 6
    assert ":8300" in laptop.types("curl http://10.42.0.10:8500/v1/status/leader")


def test_there_is_a_shell_on_a_machine(laptop: Laptop) -> None:
    assert "core-1" in laptop.types("docker exec -it swarmer.core-1 bash", "hostname; exit\n")
    assert "ArgumentError" in laptop.fails("vagrant docker-exec core-1 -- hostname")


def test_one_machine_is_halted_and_goes_on_and_a_reload_is_a_reboot(laptop: Laptop) -> None:
    laptop.push("core-1")
    laptop.types("vagrant halt core-2")
    assert laptop.states()["core-2"] == "stopped"
    until(lambda: laptop.pulls("core-1"), 60, "nobody serves the registry")
    laptop.types("vagrant up core-2")
    assert names(laptop) == ALL
    laptop.types("vagrant reload core-2")
    assert names(laptop) == ALL


def test_a_reloaded_machine_keeps_its_description(laptop: Laptop) -> None:
    before = laptop.on("core-2", "cat", "/etc/swarmer/node.json")
    shipped = laptop.servers.read_text()
    laptop.servers.write_text(shipped.replace("size: 3", "size: 5").replace("max: 3", "max: 4"))
    laptop.types("vagrant reload core-2")
    addresses = {each["name"]: each["address"] for each in json.loads(laptop.swarmer("machines", "--json"))}
    seed = plan.STATE / f"seeds/{NAME}/docker/core-2/user-data"
    assert addresses["core-5"] in seed.read_text(), "it could have been told"
    laptop.servers.write_text(shipped)
    assert laptop.on("core-2", "cat", "/etc/swarmer/node.json") == before
    assert [addresses[name] for name in CORES] == ["10.46.0.10", "10.46.0.11", "10.46.0.12"]
    assert names(laptop) == ALL


def test_after_all_were_halted_up_goes_on_with_the_same_cluster(laptop: Laptop) -> None:
    swarm = laptop.on("core-1", "docker", "info", "-f", "{{.Swarm.Cluster.ID}}")
    create = ("docker", "service", "create", "-d", "--name", "kept", "--endpoint-mode", "dnsrr")
    laptop.on("core-1", *create, laptop.image, "sleep", "3600")
    laptop.types("vagrant halt")
    states = laptop.states()
    assert {states[name] for name in ALL} == {"stopped"}
    laptop.types("vagrant up")
    assert names(laptop) == ALL
    assert laptop.on("core-1", "docker", "info", "-f", "{{.Swarm.Cluster.ID}}") == swarm
    runs = ("docker", "service", "ps", "kept", "-f", "desired-state=running", "--format", "{{.CurrentState}}")
    until(lambda: "Running" in laptop.on("core-1", *runs), 60, "the service does not run")
    assert laptop.pulls("core-3")


def test_a_machine_destroyed_is_forgotten_and_up_makes_it_anew(laptop: Laptop) -> None:
    said = laptop.types("vagrant destroy core-2", "y\n")
    assert "core-2 is removed from Swarm and Consul" in said
    left = laptop.on("core-1", "docker", "node", "ls", "--format", "{{.Hostname}}").split()
    assert sorted(left) == [name for name in ALL if name != "core-2"]
    laptop.types("vagrant up core-2")
    assert names(laptop) == ALL
    assert laptop.pulls("core-2")


def test_the_machine_that_leads_the_swarm_is_forgotten_once_others_have_elected(laptop: Laptop) -> None:
    """The election takes ten to twenty seconds, and the cleanup gave up after fifteen."""
    shown = laptop.on("core-1", "docker", "node", "ls", "--format", "{{.Hostname}} {{.ManagerStatus}}")
    (leader,) = (line.split()[0] for line in shown.splitlines() if line.endswith("Leader"))
    assert f"{leader} is removed from Swarm and Consul" in laptop.types(f"vagrant destroy -f {leader}")
    laptop.types(f"vagrant up {leader}")
    assert names(laptop) == ALL


def test_a_machine_that_is_gone_without_a_word_is_taken_out_by_hand(laptop: Laptop) -> None:
    (block,) = [
        each.text
        for each in pages.blocks(ROOT / "docs/guides/anywhere.md")
        if each.text.startswith("docker node demote")
    ]
    engine.docker("rm", "-f", "-v", f"{NAME}.core-2")
    until(lambda: "core-2" not in laptop.alive(), 60, "nobody notices")
    for line in block.splitlines():
        laptop.on("core-1", "sh", "-ec", line.replace("10.42.", "10.46."))
    assert "core-2" not in laptop.on("core-1", "docker", "node", "ls", "--format", "{{.Hostname}}").split()
    assert "core-2" not in laptop.on("core-1", "consul", "operator", "raft", "list-peers")
    laptop.types("vagrant up core-2")
    assert names(laptop) == ALL


def test_after_all_were_destroyed_up_founds_another_cluster_that_has_the_images(laptop: Laptop) -> None:
    before = (laptop.kept / "identity").read_text()
    laptop.types("vagrant destroy -f")
    assert [path.name for path in laptop.kept.iterdir()] == ["images"]
    laptop.types("vagrant up")
    assert names(laptop) == ALL
    assert (laptop.kept / "identity").read_text() != before
    assert laptop.pulls("workers-1")
