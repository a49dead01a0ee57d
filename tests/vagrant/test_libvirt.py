"""Settings that Vagrant and its libvirt plugin read from the Vagrantfile; no such machine can run here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from swarmer.core import names
from swarmer.local import environment, host
from swarmer.providers.vagrant import plan
from tests.vagrant.conftest import Laptop, computer

NAME = "kvm"
SCRIPT = Path(__file__).with_name("machine_config.rb")
PACKAGE = "vagrant-libvirt"


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    with computer(tmp_path_factory.mktemp(NAME), NAME) as found:
        if PACKAGE not in found.vagrant("plugin", "list"):
            host.ensure_packages(("a command it does not have", PACKAGE))
        yield found


def test_a_virtual_machine_has_its_size_its_seed_and_what_outlives_it(laptop: Laptop) -> None:
    found = json.loads(laptop.run("ruby", str(SCRIPT), "core-2", "libvirt"))
    assert (found["box"], found["errors"]) == ("debian/trixie64", [])
    assert (found["memory"], found["cpus"]) == (1536, 1)
    assert found["networks"][0]["ip"] == "10.46.0.11"
    (seed,) = found["cdroms"]
    assert seed["path"] == str(plan.STATE / f"seeds/{NAME}/libvirt/core-2/seed.iso")
    (folder,) = found["folders"]
    assert (folder["type"], folder["mount"]) == ("virtiofs", False)
    assert (folder["hostpath"], folder["guestpath"]) == (str(plan.SHARED), names.SHARE)
    # virtiofs: what the guest writes is what the host sees.
    assert found["memory_backing"] == [{"name": "access", "config": {"mode": "shared"}}]


def test_its_seed_mounts_what_vagrant_attaches(laptop: Laptop) -> None:
    command = ("vagrant", "prepare", "-f", str(laptop.servers), "libvirt")
    laptop.run(str(environment.ROOT / ".venv/bin/swarmer"), *command)
    folder = plan.STATE / f"seeds/{NAME}/libvirt/core-2"
    assert (folder / "seed.iso").read_bytes()[32769:32774] == b"CD001"
    tag = hashlib.md5(str(plan.SHARED).encode(), usedforsecurity=False).hexdigest()[:31]
    assert f"{tag} {names.SHARE} virtiofs " in (folder / "user-data").read_text()
