"""Files of swarmer-configure, at the first run and later, and its messages about failures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from node import configure, machine
from node.machine import mtu_of
from swarmer.adapters import process
from swarmer.core import names, network_plan
from swarmer.core.configuration import Machine
from swarmer.core.identity import AwsEndpoints, MachineIdentity
from swarmer.core.node import CONSUL_SERVER, SWARM_MANAGER, SWARM_WORKER, NodeDescription, Storage

NODE = NodeDescription(
    cluster="lab",
    domain="lab",
    group="core",
    roles=(CONSUL_SERVER, SWARM_MANAGER, SWARM_WORKER),
    consul_servers=3,
    network_cidr="10.42.0.0/16",
    storage=Storage(bucket="b", region="us-east-1"),
    peers=("10.42.64.5",),
)
CORE = Machine(
    node=NODE,
    identity=MachineIdentity(
        instance_id="i-0a", address="10.42.64.4", zone="z", region="us-east-1", endpoints=AwsEndpoints()
    ),
    address="10.42.64.4",
)


@pytest.fixture(autouse=True)
def restarted(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """This machine keeps its name and has no systemd: what would be run is noted instead."""
    commands: list[list[str]] = []

    def note(argv: Sequence[str], **_: object) -> str:
        commands.append(list(argv))
        return ""

    monkeypatch.setattr(configure, "ensure_hostname", lambda *_: False)
    monkeypatch.setattr(process, "run", note)
    return commands


def test_every_daemon_is_configured_and_a_second_time_changes_nothing(
    tmp_path: Path, restarted: list[list[str]]
) -> None:
    (tmp_path / "resolv.conf").write_text("nameserver 192.0.2.1\n")
    configure.configure(CORE, (1, 8, 7), (26, 1, 5), tmp_path)
    written = {
        path: (path.read_text(), path.stat().st_mtime_ns) for path in tmp_path.rglob("*") if path.is_file()
    }
    assert {path.name for path in written} == {
        *("swarmer.json", "daemon.json", "ground.env", "registry.yml", "swarmer.conf", "resolv.conf"),
    }
    assert json.loads((tmp_path / "consul.d/swarmer.json").read_text())["node_name"] == "core-i-0a"
    assert "127.0.0.53" in (tmp_path / "resolv.conf").read_text()
    configure.configure(CORE, (1, 8, 7), (26, 1, 5), tmp_path)
    again = {
        path: (path.read_text(), path.stat().st_mtime_ns) for path in tmp_path.rglob("*") if path.is_file()
    }
    assert again == written
    assert restarted == [["systemctl", "restart", "systemd-resolved"]]


def test_a_node_takes_the_mtu_of_the_interface_that_has_its_address() -> None:
    assert mtu_of("127.0.0.1") == int(Path("/sys/class/net/lo/mtu").read_text())


def test_an_address_of_no_interface_counts_as_one_of_a_usual_network() -> None:
    """A node behind a translated address: its network may carry more, but nobody knows."""
    assert mtu_of("192.0.2.1") == network_plan.ETHERNET_MTU


def test_a_worker_has_no_registry_to_serve(tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text("")
    worker = Machine(
        node=NodeDescription(**{**NODE.__dict__, "group": "workers", "roles": (SWARM_WORKER,)}),
        identity=CORE.identity,
        address=CORE.address,
    )
    configure.configure(worker, (1, 8, 7), (26, 1, 5), tmp_path)
    assert not (tmp_path / "swarmer/registry.yml").exists()


def test_a_resolv_conf_that_resolved_keeps_itself_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "stub").write_text("as it was")
    (tmp_path / "resolv.conf").symlink_to(tmp_path / "stub")
    assert configure.ensure_resolv_conf(tmp_path / "resolv.conf") is False
    assert (tmp_path / "stub").read_text() == "as it was"


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("Docker version 26.1.5+dfsg1, build 411e817\n", (26, 1, 5)),
        ("Docker version 28.5.2+dfsg4, build 3ef3c07c883be49a2e8097bcf6d2952fce1d70eb\n", (28, 5, 2)),
    ],
)
def test_dockerd_says_which_release_it_is(
    said: str, version: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "run", lambda argv, **_: said if argv[0] == "dockerd" else "")
    assert configure.engine_version() == version


def test_a_dockerd_that_says_nothing_is_a_failure_in_one_line() -> None:
    with pytest.raises(process.Failed, match=r"^dockerd --version: '' names no version$"):
        configure.engine_version()


@pytest.mark.parametrize(
    "text", [None, "", "{", "[]", "{}"], ids=["none", "empty", "broken", "a list", "no keys"]
)
def test_a_node_that_was_not_told_what_it_is_says_that_it_is_dead(
    text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(names, "NODE_DESCRIPTION", str(tmp_path / "node.json"))
    if text is not None:
        (tmp_path / "node.json").write_text(text)
    with pytest.raises(machine.Unusable):
        machine.read_machine()
    assert configure.main() == 1
    assert capsys.readouterr().out.startswith("swarmer: dead: ")


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("Consul 1.8.7\nRevision 1:8+dfsg\n", (1, 8, 7)),
        ("Consul v1.22.5\nRevision abc\n", (1, 22, 5)),
        ("Consul v2.0.4\nRevision abc\nBuild Date 2026-09-10T00:00:00Z\n", (2, 0, 4)),
    ],
)
def test_the_release_is_read_from_what_consul_says(
    monkeypatch: pytest.MonkeyPatch, said: str, version: tuple[int, ...]
) -> None:
    monkeypatch.setattr(process, "run", lambda argv: said)
    assert configure.consul_version() == version
