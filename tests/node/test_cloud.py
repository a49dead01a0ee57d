"""Provider as a node sees it: a file that the machine's host keeps."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from node import cloud
from node.machine import Unusable
from swarmer.adapters import aws
from swarmer.core.configuration import Machine
from swarmer.core.node import UNFOUNDED
from tests.node.daemons.daemon import machine


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """File in which the host keeps the cluster ID."""
    return tmp_path / "host" / "identity"


@pytest.fixture
def told(kept: Path) -> Machine:
    """A node of a provider without AWS."""
    kept.parent.mkdir()
    plain = machine("10.0.0.4", instance="i-one")
    node = replace(plain.node, identity=f"file:{kept}", peers=("10.0.0.4", "10.0.0.5"))
    return replace(plain, node=node)


def test_a_cluster_of_which_nothing_is_kept_is_uninitialized(told: Machine) -> None:
    assert cloud.describe(told).cluster_id == UNFOUNDED


def test_peers_of_the_description_are_taken_without_asking_aws(told: Machine) -> None:
    assert cloud.describe(told).peers == ("10.0.0.5",)


def test_what_one_node_records_every_node_sees(told: Machine, kept: Path) -> None:
    cloud.record_cluster_id(told, "swarm-1")
    assert kept.read_text() == "swarm-1\n"
    assert cloud.describe(told).cluster_id == "swarm-1"
    assert cloud.describe(told).is_initialized


def test_the_same_record_again_changes_nothing(told: Machine, kept: Path) -> None:
    cloud.record_cluster_id(told, "swarm-1")
    before = kept.stat().st_ino
    cloud.record_cluster_id(told, "swarm-1")
    assert kept.stat().st_ino == before


def test_another_cluster_is_refused(told: Machine, kept: Path) -> None:
    cloud.record_cluster_id(told, "swarm-1")
    with pytest.raises(aws.Unavailable, match="swarm-1, not swarm-2"):
        cloud.record_cluster_id(told, "swarm-2")
    assert kept.read_text() == "swarm-1\n"


def test_a_folder_that_is_not_mounted_is_no_uninitialized_cluster(told: Machine, kept: Path) -> None:
    kept.parent.rmdir()
    with pytest.raises(Unusable, match="is not there"):
        cloud.describe(told)


def test_the_command_says_what_is_wrong_in_one_line(
    told: Machine, kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cloud, "read_machine", lambda: told)
    assert cloud.main(["describe"]) == 0
    assert json.loads(capsys.readouterr().out)["identity"] == UNFOUNDED
    kept.parent.rmdir()
    assert cloud.main(["describe"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
