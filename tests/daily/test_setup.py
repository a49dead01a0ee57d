"""setup.sh with the real daemons, on a person's machine: names, registry and engine, and all of it undone."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import dns.resolver
import pytest

from swarmer.local import engine, environment
from tests.daily.conftest import Lab, Machine

RESOLVED = "echo nameserver 127.0.0.53 > /etc/resolv.conf; systemctl restart systemd-resolved"
WAYS = {
    "systemd-resolved, for the link to the nodes": RESOLVED,
    "systemd-resolved, where that link has a name server": f"{RESOLVED}; resolvectl dns eth0 192.0.2.1",
    "dnsmasq": (
        "systemctl stop systemd-resolved; systemctl start dnsmasq; "
        "echo nameserver 127.0.0.1 > /etc/resolv.conf"
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_after_setup_the_cluster_is_used_by_its_names_and_undo_leaves_no_trace(
    lab: Lab, person: Machine, way: str
) -> None:
    person.run(WAYS[way])
    person.run("""printf '{ "debug": false }' > /etc/docker/daemon.json""")
    before, began = person.state(), person.run("systemctl show -p MainPID docker")
    # The user is not root, and may use sudo.
    as_person = "sudo -u person /swarmer/setup.sh"
    setup = f"{as_person} -f /swarmer/{lab.servers.name} {' '.join(lab.addresses)}"
    for _ in range(2):
        said = person.run(setup)
        assert "export DOCKER_HOST=swarm-4000.service.swarmer:4000" in said
        assert "http://consul.service.swarmer:8500/ui" in said

    nodes = person.run("DOCKER_HOST=swarm-4000.service.swarmer:4000 docker node ls -q").splitlines()
    assert len(nodes) == len(lab.addresses)
    assert "repositories" in person.run("curl -sf registry.service.swarmer:5000/v2/_catalog")
    assert "Consul" in person.run("curl -sfL http://consul.service.swarmer:8500/ui")
    registry = "registry.service.swarmer:5000/person"
    person.run(f"tar -cC /usr/bin true | docker import - {registry} && docker push {registry}")
    assert person.run("systemctl show -p MainPID docker") == began, "the engine was not restarted"

    person.run(f"{as_person} --undo")
    assert person.state() == before
    assert person.run("getent hosts registry.service.swarmer || echo unknown") == "unknown"
    assert "swarmer" not in person.run("docker info -f '{{json .RegistryConfig.IndexConfigs}}'")


def test_from_the_rehearsals_own_machine_the_addresses_are_found(lab: Lab, tmp_path: Path) -> None:
    """A root of its own: this machine's resolver stays as it is."""
    done = subprocess.run(
        [environment.ROOT / "setup.sh", "-f", lab.servers],
        env={**os.environ, "SWARMER_SETUP_ROOT": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f'SWARMER_NODES="{" ".join(lab.addresses)}"' in done.stderr
    assert "export DOCKER_HOST=swarm-4000.service.swarmer:4000" in done.stdout


@pytest.mark.parametrize("end", ["down", "kill"])
def test_the_container_forwards_names_while_it_runs(
    lab: Lab, compose: list[str], tmp_path: Path, end: str
) -> None:
    subprocess.run(["make", "dns-proxy"], cwd=environment.ROOT, check=True)
    resolv_conf = tmp_path / "resolv.conf"
    resolv_conf.write_text("search example.org\nnameserver 192.0.2.1")
    before = resolv_conf.read_bytes()
    project = [*compose, "-p", f"{load_name(lab)}-dns", "-f", str(environment.ROOT / "dns-proxy-compose.yml")]
    env = engine.docker_environment() | {
        "SWARMER_NODES": " ".join(lab.addresses),
        "SWARMER_RESOLV_CONF": str(resolv_conf),
    }
    try:
        subprocess.run([*project, "up", "-d"], env=env, check=True)
        if end == "kill":
            # Without a chance to tidy: the next one knows its own lines.
            subprocess.run([*project, "kill", "-s", "KILL"], env=env, check=True)
            subprocess.run([*project, "up", "-d"], env=env, check=True)
        assert addresses("127.44.0.53", "registry.service.swarmer") <= set(lab.addresses)
        first = next(line for line in resolv_conf.read_text().splitlines() if line.startswith("nameserver"))
        assert first == "nameserver 127.44.0.53"
    finally:
        subprocess.run([*project, "down"], env=env, check=True)
    assert resolv_conf.read_bytes() == before


def load_name(lab: Lab) -> str:
    return str(lab.status()["cluster"])


def addresses(server: str, name: str) -> set[str]:
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [server]
    return {record.to_text() for record in resolver.resolve(name, "A", lifetime=20)}
