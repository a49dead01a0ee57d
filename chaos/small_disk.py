"""Small file system for the data of Consul and Swarm, so that a fault can fill it."""

from __future__ import annotations

from typing import Final

from chaos.lab import Lab, Node

VALIDATED_S: Final = 120.0
SMALL: Final = "/run/small"
MAKE: Final = f"""set -e
systemctl stop swarmer-registry consul docker
mkdir {SMALL} && mount -t tmpfs -o size=400m,mode=755 small {SMALL}
for of in consul docker/swarm; do
    mkdir -p {SMALL}/$of && chown --reference=/var/lib/$of {SMALL}/$of
    cp -a /var/lib/$of/. {SMALL}/$of/
    mount --bind {SMALL}/$of /var/lib/$of
done
systemctl start docker consul swarmer-registry"""
UNMAKE: Final = f"""set -e
mountpoint -q {SMALL} || exit 0
systemctl stop swarmer-registry consul docker
rm -f {SMALL}/filler
for of in consul docker/swarm; do
    umount /var/lib/$of
    cp -a {SMALL}/$of/. /var/lib/$of/
done
umount {SMALL}
systemctl start docker consul swarmer-registry"""
FILL: Final = f"cat /dev/zero > {SMALL}/filler 2>/dev/null; test -s {SMALL}/filler"


def make(lab: Lab) -> None:
    """Mount it on every Consul server, one after the other. Raises Failure."""
    _each(lab, MAKE)


def unmake(lab: Lab) -> None:
    """Restore the former file system. Raises Failure."""
    _each(lab, UNMAKE)


def _each(lab: Lab, script: str) -> None:
    for node in lab.consul_servers:
        lab.wait_validated(VALIDATED_S)
        node.on("sh", "-c", script, timeout_s=120)


def fill(nodes: list[Node]) -> None:
    """Fill it completely."""
    for node in nodes:
        node.on("sh", "-c", FILL)


def empty(nodes: list[Node]) -> None:
    """Empty it like an operator after the alarm."""
    for node in nodes:
        node.on("rm", f"{SMALL}/filler")
