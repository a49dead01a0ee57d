"""Machines of a ground without AWS: who they are and what they are told."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
import yaml

from swarmer.core import identity, names
from swarmer.core.cluster import Cluster, Role
from swarmer.core.machines import Addressing, Machine, Seed, machines, seed, servers
from swarmer.core.node import NodeDescription
from swarmer.core.user_data import (
    LIMIT_BYTES,
    MOUNTED,
    NFS,
    VIRTIOFS,
    AnySoftware,
    CarriedSoftware,
    DownloadedSoftware,
    Share,
    is_share_source,
)

CARRIED = CarriedSoftware(label="cidata", file="software.zip", digest="0" * 64)
DOWNLOADED = DownloadedSoftware(url="https://example.com/software.zip", sha256="1" * 64, digest="0" * 64)


def cluster(**workers: Any) -> Cluster:
    return Cluster.model_validate(
        {
            "network": {"cidr": "10.1.0.0/16"},
            "groups": [
                {"name": "workers", "roles": [Role.SWARM_WORKER], **(workers or {"size": 2})},
                {"name": "core", "roles": [Role.CONSUL_SERVER, Role.SWARM_MANAGER], "size": 3},
            ],
        }
    )


def told(one: Machine, *, software: AnySoftware = CARRIED, share: Share | None = None, **values: Any) -> Seed:
    values = {"addressing": Addressing(), **values}
    return seed(cluster(), one, software=software, share=share or Share(), **values)


def of(name: str, found: Cluster | None = None) -> Machine:
    return {each.name: each for each in machines(found or cluster())}[name]


def script(found: Seed) -> str:
    (command,) = yaml.safe_load(found.user_data)["runcmd"]
    return str(command)


def test_machines_are_called_by_group_and_number_and_have_fixed_addresses() -> None:
    found = {each.name: each.address for each in machines(cluster())}
    assert found == {
        "workers-1": "10.1.0.13",
        "workers-2": "10.1.0.14",
        "core-1": "10.1.0.10",
        "core-2": "10.1.0.11",
        "core-3": "10.1.0.12",
    }


def test_more_workers_move_no_server() -> None:
    assert servers(cluster(size=9)) == servers(cluster()) == ("10.1.0.10", "10.1.0.11", "10.1.0.12")


def test_machines_beyond_the_minimum_exist_only_on_request() -> None:
    found = [each.is_wanted for each in machines(cluster(min=1, max=3)) if each.group.name == "workers"]
    assert found == [True, False, False]


def test_a_node_reads_back_what_its_seed_tells() -> None:
    found = told(of("core-2"))
    (written,) = yaml.safe_load(found.user_data)["write_files"]
    node = NodeDescription.from_json(written["content"])
    assert node.peers == servers(cluster())
    assert (node.storage.directory, node.storage.bucket) == ("/srv/swarmer/swarmer/images", "")
    assert node.identity == "file:/srv/swarmer/swarmer/identity"
    meta = json.loads(found.meta_data)
    who = identity.parse(json.dumps({"v1": {"instance_id": meta["instance-id"]}, "ds": {"meta_data": meta}}))
    assert (who.instance_id, who.address) == ("2", "10.1.0.11")
    assert names.node_name(node.group, who.instance_id) == meta["local-hostname"] == "core-2"


def test_who_does_not_vote_needs_no_identity() -> None:
    (written,) = yaml.safe_load(told(of("workers-1")).user_data)["write_files"]
    assert NodeDescription.from_json(written["content"]).identity == ""


@pytest.mark.parametrize("software", [CARRIED, DOWNLOADED], ids=["carried", "downloaded"])
@pytest.mark.parametrize(
    "share",
    [
        Share(),
        Share(kind=MOUNTED),
        Share(kind=VIRTIOFS, source="0" * 31),
        Share(kind=NFS, source="10.1.0.1:/a\\040b"),
    ],
    ids=["own disk", "mounted", "virtiofs", "nfs"],
)
def test_every_seed_is_a_script_that_a_shell_reads_and_fits(software: AnySoftware, share: Share) -> None:
    found = told(of("core-1"), software=software, share=share)
    assert len(found.user_data.encode()) < LIMIT_BYTES
    subprocess.run(["sh", "-n"], input=script(found).encode(), check=True)
    assert f"mkdir -p {names.share_directory('swarmer')}" in script(found)


def test_nothing_is_made_in_a_share_before_it_is_mounted() -> None:
    text = script(told(of("core-1"), share=Share(kind=NFS, source="10.1.0.1:/export")))
    assert "10.1.0.1:/export /srv/swarmer nfs _netdev,nofail 0 0" in text
    assert text.index("mountpoint -q") < text.index("mkdir -p /srv/swarmer/swarmer")


def test_an_archive_that_is_downloaded_is_checked_before_it_is_opened() -> None:
    text = script(told(of("core-1"), software=DOWNLOADED))
    assert text.index(f"check /run/swarmer-software.zip {'1' * 64}") < text.index("-m zipfile")


def test_the_network_is_dhcp_or_as_fixed_as_a_person_says() -> None:
    assert yaml.safe_load(told(of("core-1")).network_config) is None
    dhcp = told(of("core-1"), addressing=Addressing(interface="eno1")).network_config
    assert json.loads(dhcp) == {"version": 2, "ethernets": {"eno1": {"dhcp4": True}}}
    fixed = Addressing(gateway="10.1.0.1", nameservers=("10.1.0.2",), interface="eno1")
    assert json.loads(told(of("core-1"), addressing=fixed).network_config)["ethernets"] == {
        "eno1": {
            "addresses": ["10.1.0.10/16"],
            "routes": [{"to": "0.0.0.0/0", "via": "10.1.0.1"}],
            "nameservers": {"addresses": ["10.1.0.2"]},
        }
    }
    assert json.loads(told(of("core-1"), addressing=Addressing(is_disabled=True)).network_config) == {
        "config": "disabled"
    }


@pytest.mark.parametrize("text", ["a b:/c", "$(id):/x", "a:/b;c", '"a":/b', ""])
def test_what_a_shell_would_read_otherwise_is_no_source_of_a_share(text: str) -> None:
    assert not is_share_source(text)
    assert is_share_source("[fd00::1]:/export/swarmer")
