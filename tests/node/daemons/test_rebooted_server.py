"""A Consul server that comes back after an absence, as a node does by a reboot: no name leads to its past."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from node import former_life
from swarmer.adapters.consul import Unavailable
from swarmer.core import names
from swarmer.core.service import Service
from swarmer.local import environment, host, node_image
from tests.node.daemons.daemon import Daemon, eventually, machine

AWAY_S = 22.0
"""Seconds of an absence, as long as a reboot takes."""
WATCHED_S = 20.0
"""Seconds for which the name is watched after the return."""


@pytest.fixture
def three(loopback: Callable[[], str], tmp_path: Path) -> Iterator[list[Daemon]]:
    """Three servers with the configuration of nodes, which are one cluster."""
    host.ensure_packages(("mmdebstrap", "mmdebstrap"))
    environment.CACHE.mkdir(parents=True, exist_ok=True)
    binary = node_image.ensure_consul(environment.CACHE, lambda _: None)
    made = []
    for number in range(3):
        who = machine(loopback(), instance=f"i-{number}")
        who = replace(who, node=replace(who.node, consul_servers=3))
        made.append(Daemon(binary, tmp_path / str(number), who))
    try:
        for daemon in made:
            daemon.start()
        for daemon in made[1:]:
            daemon.api.join(made[0].address)
        for daemon in made:
            eventually(daemon.is_member, 60)
        yield made
    finally:
        for daemon in made:
            daemon.stop()


def test_no_name_leads_to_a_rebooted_server_by_what_it_declared_before(three: list[Daemon]) -> None:
    leader = next(each for each in three if three[0].api.leader() == f"{each.address}:8300")
    rebooted, other = (each for each in three if each is not leader)
    mine = Service(id=names.SERVICE_DOCKER, name=names.SERVICE_DOCKER, address=rebooted.address, port=4000)
    rebooted.api.register(mine, {"ttl": "60s", "status": "critical"})
    rebooted.api.confirm(mine.id, passing=True, note="leads its Swarm")
    eventually(lambda: other.api.healthy(mine.name))
    rebooted.stop()
    eventually(lambda: not other.api.healthy(mine.name), 30)
    time.sleep(AWAY_S)

    data = rebooted.folder / "data"
    assert former_life.is_reboot(data)
    assert former_life.forget_services(data)
    peers = [each.address for each in three if each is not rebooted]
    assert former_life.withdraw_services(rebooted.machine.name, peers) == 1
    rebooted.start()

    seen, began_s = [], time.monotonic()
    while time.monotonic() - began_s < WATCHED_S:
        try:
            if other.api.healthy(mine.name):
                seen.append(round(time.monotonic() - began_s, 1))
        except Unavailable:
            pass  # the return of a server may cost the leader its lead
        time.sleep(0.1)
    assert seen == []
    eventually(rebooted.is_member)
