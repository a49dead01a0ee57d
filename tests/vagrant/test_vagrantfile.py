"""Settings that Vagrant reads from the Vagrantfile for virtual machines; none can run here."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from swarmer.local import environment
from swarmer.providers.vagrant import plan
from tests.vagrant.conftest import Laptop, computer_with_docker

NAME = "paper"
SCRIPT = Path(__file__).with_name("machine_config.rb")


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    # No container is made, but the image of those that the next tests need, while others run beside this one.
    with computer_with_docker(tmp_path_factory.mktemp(NAME), NAME) as found:
        yield found


def virtualbox(laptop: Laptop) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(laptop.run("ruby", str(SCRIPT), "core-2", "virtualbox"))
    return found


def test_a_virtual_machine_is_as_large_as_servers_yml_says_and_has_its_seed(laptop: Laptop) -> None:
    found = virtualbox(laptop)
    assert (found["box"], found["errors"]) == ("debian/trixie64", [])
    assert ["modifyvm", "id", "--memory", "1536"] in found["customizations"]
    assert ["modifyvm", "id", "--cpus", 1] in found["customizations"]
    (attached,) = [each for each in found["customizations"] if each[0] == "storageattach"]
    assert attached[-1] == str(plan.STATE / f"seeds/{NAME}/virtualbox/core-2/seed.iso")
    assert found["networks"][0]["ip"] == "10.46.0.11"


def test_the_shared_folder_of_virtual_machines_is_exported_and_mounted(laptop: Laptop) -> None:
    (folder,) = virtualbox(laptop)["folders"]
    assert (folder["type"], folder["hostpath"]) == ("nfs", str(plan.SHARED))
    assert "guestpath" not in folder
    laptop.run(
        *(str(environment.ROOT / ".venv/bin/swarmer"), "vagrant", "prepare"),
        *("-f", str(laptop.servers), "virtualbox"),
    )
    seed = plan.STATE / f"seeds/{NAME}/virtualbox/core-2"
    assert f"10.46.0.1:{plan.SHARED} /srv/swarmer nfs " in (seed / "user-data").read_text()
    assert (seed / "seed.iso").read_bytes()[32769:32774] == b"CD001"


@pytest.mark.parametrize(
    "folder", [environment.ROOT, environment.ROOT / "docs"], ids=["the checkout", "below it"]
)
def test_a_description_is_named_from_the_folder_where_one_types(laptop: Laptop, folder: Path) -> None:
    env = laptop.env | {"SWARMER_SERVERS": os.path.relpath(laptop.servers, folder)}
    argv = ["vagrant", "status", "--machine-readable"]
    done = subprocess.run(argv, env=env, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert ",core-3,state," in done.stdout


def test_an_empty_name_of_a_description_means_the_shipped_one(laptop: Laptop) -> None:
    env = laptop.env | {"SWARMER_SERVERS": ""}
    argv = ["vagrant", "status", "--machine-readable"]
    done = subprocess.run(argv, env=env, cwd=environment.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert ",workers-2,state," in done.stdout
