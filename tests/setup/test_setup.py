"""setup.sh on made-up machines: what it refuses, keeps and says. `make test-docs` has the real daemons."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from swarmer.local import environment
from tests.setup.machine import ADDRESSES, SCRIPT, Machine

REGISTRY = "registry.service.swarmer:5000"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Linux; nothing forwards names, no Docker Engine answers."""
    made = Machine(tmp_path / "root")
    made.write("/etc/resolv.conf", "nameserver 192.0.2.1\n")
    (made.root / "var/lib").mkdir(parents=True)
    made.command("docker", "exit 1")
    made.command("getent")
    return made


@pytest.fixture
def mac(machine: Machine) -> Machine:
    machine.command("uname", "echo Darwin")
    machine.command("dscacheutil", "echo ip_address: 10.42.1.4")
    return machine


@pytest.fixture
def engine(machine: Machine) -> Iterator[Machine]:
    """Machine with a Docker Engine: a shell that reads the settings when it gets SIGHUP."""
    config, taken = machine.root / "etc/docker/daemon.json", machine.root.parent / "taken"
    taken.touch()
    shown = f'{{"{REGISTRY}":{{"Name":"x","Secure":false}}}}'
    machine.command(
        "docker", f"""case "$*" in *IndexConfigs*) ! grep -q {REGISTRY} {taken} || echo '{shown}' ;; esac"""
    )
    with machine.daemon(f"cp {config} {taken}") as pid:
        machine.write("/var/run/docker.pid", str(pid))
        yield machine


def test_the_shell_scripts_pass_shellcheck() -> None:
    script = environment.ROOT / "dns-proxy/serve.sh"
    done = subprocess.run(
        [environment.ROOT / ".venv/bin/shellcheck", SCRIPT, script],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--nonsense"], "--nonsense is no option"),
        (["10.42.1"], "10.42.1 is no IPv4 address"),
        (["example.org"], "is no IPv4 address"),
        (["10.42.1.256"], "10.42.1.256 is no IPv4 address"),
        (["10.42.1.4", "10.42.01.4"], "10.42.01.4 is no IPv4 address"),
        (["-f"], "-f wants a file"),
        (["-f", "/none.yml", "10.42.1.4"], "/none.yml: does not exist"),
    ],
)
def test_bad_input_is_one_line_and_changes_nothing(machine: Machine, argv: list[str], said: str) -> None:
    before = machine.bytes()
    done = machine.setup(*argv)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert machine.bytes() == before


def test_help_says_what_it_does_and_its_exit_statuses(machine: Machine) -> None:
    done = machine.setup("--help")
    assert done.returncode == 0
    assert "--undo" in done.stdout
    assert "Exit status" in done.stdout


def test_where_nothing_forwards_names_it_says_what_to_write_and_changes_nothing(machine: Machine) -> None:
    before = machine.bytes()
    done = machine.setup(*ADDRESSES)
    assert done.returncode == 1
    assert f'SWARMER_NODES="{" ".join(ADDRESSES)}"' in done.stderr
    assert "dns-proxy-compose.yml" in done.stderr
    assert "export DOCKER_HOST=swarm-4000.service.swarmer:4000" in done.stdout
    assert machine.bytes() == before


def test_on_a_mac_the_domain_gets_a_resolver_of_its_own_with_three_nodes_at_most(mac: Machine) -> None:
    done = mac.setup(*ADDRESSES)
    assert done.returncode == 0, done.stderr
    written = mac.root / "etc/resolver/swarmer"
    assert written.read_text() == "".join(f"nameserver {each}\n" for each in ADDRESSES[:3])
    assert f'"insecure-registries": ["{REGISTRY}"]' in done.stdout


def test_undo_puts_back_every_byte_and_folder(mac: Machine) -> None:
    mac.write("/etc/resolver/swarmer", "nameserver 192.0.2.9")
    before = mac.bytes()
    for _ in range(2):
        assert mac.setup(*ADDRESSES).returncode == 0
    assert mac.bytes() != before
    done = mac.setup("--undo")
    assert done.returncode == 0, done.stderr
    assert mac.bytes() == before
    assert "nothing to take back" in mac.setup("--undo").stdout


def test_undo_takes_away_what_was_not_there(mac: Machine) -> None:
    before = mac.bytes()
    mac.setup(*ADDRESSES)
    mac.setup("--undo")
    assert mac.bytes() == before


def test_other_nodes_take_the_place_of_former_ones(mac: Machine) -> None:
    before = mac.bytes()
    mac.setup(*ADDRESSES)
    mac.setup("10.42.9.9")
    assert (mac.root / "etc/resolver/swarmer").read_text() == "nameserver 10.42.9.9\n"
    mac.setup("--undo")
    assert mac.bytes() == before


def test_another_clusters_domain_takes_the_place_of_the_former(mac: Machine, tmp_path: Path) -> None:
    other = tmp_path / "other.yml"
    other.write_text(
        (environment.ROOT / "servers.yml").read_text().replace("domain: swarmer", "domain: shop.internal")
    )
    mac.setup(*ADDRESSES)
    done = mac.setup("-f", str(other), *ADDRESSES)
    assert "DOCKER_HOST=swarm-4000.service.shop.internal:4000" in done.stdout
    assert [path.name for path in (mac.root / "etc/resolver").iterdir()] == ["shop.internal"]


def test_a_file_that_somebody_changed_since_is_left_alone_and_named(mac: Machine) -> None:
    mac.write("/etc/resolver/swarmer", "nameserver 192.0.2.9\n")
    mac.setup(*ADDRESSES)
    written = mac.write("/etc/resolver/swarmer", "nameserver 192.0.2.7\n")
    done = mac.setup("--undo")
    assert done.returncode == 1
    assert f"{written} was changed since setup.sh wrote it" in done.stderr
    assert written.read_text() == "nameserver 192.0.2.7\n"
    assert written.with_name("swarmer.before-setup").read_text() == "nameserver 192.0.2.9\n"


@pytest.mark.parametrize(
    "before",
    [None, "", "{}", '{\n "debug": false }', '{"insecure-registries": ["a:5000"], "bip": "172.30.0.1/16"}\n'],
    ids=["no file", "an empty one", "no settings", "other settings", "another registry"],
)
def test_the_engine_is_told_to_read_its_settings_again_and_has_them_back_later(
    engine: Machine, before: str | None
) -> None:
    if before is not None:
        engine.write("/etc/docker/daemon.json", before)
    was = engine.bytes()
    assert engine.setup(*ADDRESSES).returncode == 1, "names cannot be forwarded on this machine"
    settings = json.loads((engine.root / "etc/docker/daemon.json").read_text())
    assert REGISTRY in settings.pop("insecure-registries")
    assert settings == {k: v for k, v in json.loads(before or "{}").items() if k != "insecure-registries"}
    assert engine.setup("--undo").returncode == 0
    assert engine.bytes() == was
    assert REGISTRY not in (engine.root.parent / "taken").read_text(), "the engine forgot it, too"


def test_an_engine_that_only_others_may_use_is_left_to_do_and_not_passed_over(machine: Machine) -> None:
    machine.command("docker", "echo 'permission denied while trying to connect' >&2; exit 1")
    done = machine.setup(*ADDRESSES)
    assert done.returncode == 1
    assert "usermod -aG docker" in done.stderr
    assert "no Docker Engine answers here" not in done.stdout


def test_settings_that_are_no_json_are_left_alone(engine: Machine) -> None:
    engine.write("/etc/docker/daemon.json", "{ debug: yes")
    was = engine.bytes()
    done = engine.setup(*ADDRESSES)
    assert "is not understood here" in done.stderr
    assert f'"insecure-registries": ["{REGISTRY}"]' in done.stderr
    assert engine.bytes() == was


def test_an_engine_that_does_not_take_it_has_its_settings_back_at_once(engine: Machine) -> None:
    with engine.daemon(":") as deaf:
        engine.write("/var/run/docker.pid", str(deaf))
        was = engine.bytes()
        done = engine.setup(*ADDRESSES)
    assert "dockerd did not take" in done.stderr
    assert engine.bytes() == was


# -- broken off, and what cannot be kept -------------------------------------------------------------------


def test_a_file_that_cannot_be_kept_is_left_as_it_is(engine: Machine) -> None:
    engine.write("/etc/docker/daemon.json", '{"debug": true}')
    engine.write("/var/lib/swarmer-setup/files/etc", "in the way of the folder that keeps it")
    done = engine.setup(*ADDRESSES)
    assert done.returncode == 2
    assert "cannot be kept as it is" in done.stderr
    assert (engine.root / "etc/docker/daemon.json").read_text() == '{"debug": true}'


def test_a_file_that_somebody_changed_since_is_not_written_again(mac: Machine) -> None:
    mac.setup(*ADDRESSES)
    written = mac.write("/etc/resolver/swarmer", "nameserver 192.0.2.7\n")
    done = mac.setup("10.42.9.9")
    assert done.returncode == 2
    assert (
        done.stderr
        == f"setup.sh: {written} was changed since setup.sh wrote it: see what --undo reports first\n"
    )
    assert written.read_text() == "nameserver 192.0.2.7\n"


@pytest.mark.parametrize("is_second", [False, True], ids=["the first time", "with other nodes"])
@pytest.mark.parametrize("half", ["", "nameserv"], ids=["nothing", "half"])
@pytest.mark.parametrize("then", ["again", "undo"])
def test_broken_off_while_it_writes_it_goes_on_or_is_undone(
    mac: Machine, is_second: bool, half: str, then: str
) -> None:
    mac.write("/etc/resolver/swarmer", "nameserver 192.0.2.9\n")
    before = mac.bytes()
    if is_second:
        assert mac.setup(*ADDRESSES).returncode == 0
    # A shell writes the file, and setup.sh waits for that shell: both end here.
    written = mac.root / "etc/resolver/swarmer"
    mac.command("sh", f"printf '{half}' > {written}; kill -9 $PPID")
    assert mac.setup("10.42.9.9").returncode != 0
    assert written.read_text() == half
    (mac.root.parent / "bin/sh").unlink()
    if then == "again":
        done = mac.setup("10.42.9.9")
        assert (done.returncode, done.stderr) == (0, "")
        assert written.read_text() == "nameserver 10.42.9.9\n"
    done = mac.setup("--undo")
    assert (done.returncode, done.stderr) == (0, "")
    assert mac.bytes() == before


def test_what_was_there_already_is_nothing_to_take_back(mac: Machine) -> None:
    mac.write("/etc/resolver/swarmer", "nameserver 10.42.9.9\n")
    before = mac.bytes()
    assert mac.setup("10.42.9.9").returncode == 0
    done = mac.setup("--undo")
    assert (done.returncode, done.stderr) == (0, "")
    assert mac.bytes() == before


@pytest.fixture
def dnsmasq(machine: Machine) -> Machine:
    """Machine on which dnsmasq answers, and can be restarted."""
    machine.write("/etc/resolv.conf", "nameserver 127.0.0.1\n")
    (machine.root / "etc/dnsmasq.d").mkdir()
    for name in ("pidof", "systemctl", "service"):
        machine.command(name)
    return machine


def test_a_daemon_that_does_not_start_anew_is_named(dnsmasq: Machine) -> None:
    before = dnsmasq.bytes()
    for name in ("systemctl", "service"):
        dnsmasq.command(name, "exit 5")
    done = dnsmasq.setup(*ADDRESSES)
    assert done.returncode == 2
    assert "dnsmasq could not be restarted" in done.stderr
    for name in ("systemctl", "service"):
        dnsmasq.command(name)
    assert dnsmasq.setup(*ADDRESSES).returncode == 0, "the next run restarts it"
    assert dnsmasq.setup("--undo").returncode == 0
    assert dnsmasq.bytes() == before


def test_a_daemon_that_is_gone_does_not_keep_the_rest_from_being_undone(dnsmasq: Machine) -> None:
    before = dnsmasq.bytes()
    assert dnsmasq.setup(*ADDRESSES).returncode == 0
    for name in ("systemctl", "service"):
        dnsmasq.command(name, "exit 5")
    done = dnsmasq.setup("--undo")
    assert done.returncode == 1
    assert "dnsmasq could not be restarted" in done.stderr
    assert dnsmasq.bytes() == before
    assert "nothing to take back" in dnsmasq.setup("--undo").stdout


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("groups: {}\n", "swarmer"),
        ("domain: 'shop.internal'  # ours\n", "shop.internal"),
        ("domain: SHOP\n", None),
        ("{name: shop, domain: shop.internal}\n", None),
        ('"domain": shop.internal\n', None),
    ],
)
def test_where_nothing_is_set_up_the_domain_is_read_or_it_says_that_it_cannot_be(
    mac: Machine, tmp_path: Path, text: str, domain: str | None
) -> None:
    script = Path(shutil.copy(SCRIPT, tmp_path))
    (tmp_path / "servers.yml").write_text(text)
    before = mac.bytes()
    done = mac.setup(*ADDRESSES, script=script)
    if domain:
        assert (done.returncode, done.stderr) == (0, "")
        assert (mac.root / "etc/resolver" / domain).exists()
    else:
        assert done.returncode == 2
        assert "domain: cannot be read" in done.stderr
        assert mac.bytes() == before


def test_the_container_that_forwards_names_wants_nodes_before_it_touches_anything() -> None:
    script = environment.ROOT / "dns-proxy/serve.sh"
    env = {"PATH": os.environ["PATH"], "SWARMER_DOMAIN": "swarmer", "SWARMER_NODES": ""}
    done = subprocess.run(["sh", script], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "dns-proxy: SWARMER_NODES is empty: give it addresses of nodes, with blanks between"
    ]
