"""A node on a stock kernel, in a virtual machine: what node containers cannot show.

`make test-vm` runs it, `make test` does not: software emulation takes its minutes.
"""

from __future__ import annotations

import http.client
import json
import sys
import time
import urllib.request
from collections.abc import Iterator

import pytest

from swarmer.adapters import process
from swarmer.local import environment, host
from swarmer.providers.vm import emulator, image
from swarmer.providers.vm import status as cluster_status
from swarmer.providers.vm.guest import ADDRESS, Guest

pytestmark = [pytest.mark.vm, pytest.mark.timeout(3600)]

PORT = 30080
"""Published through the routing mesh."""
URL = f"http://{ADDRESS}:{PORT}/"
BOOT_S = 1500
"""Nearly all of it is emulation: some 100 s on an idle machine, several times that on a busy one."""
SETTLE_S = 600
BEGAN_S = time.monotonic()


def say(text: str) -> None:
    """Live progress."""
    sys.stderr.write(f"[{time.monotonic() - BEGAN_S:6.1f} s] {text}\n")


@pytest.fixture(scope="module")
def guest() -> Iterator[Guest]:
    """One machine, powered on; the tests below go through its life in their order."""
    host.ensure_engine_commands()
    emulator.ensure_tools(environment.CACHE, say)
    built = image.ensure_image(environment.CACHE, say)
    say(f"boots {built.disk}")
    with Guest(built, environment.STATE / "vm-console.log", say, ports=(PORT,)) as powered_on:
        took_s = powered_on.until(lambda: powered_on.console.boots > 0, BOOT_S, "the node is not ready")
        say(f"= ready {took_s:.0f} s after power on")
        cluster_status.load_probe(built.probe)
        yield powered_on


def is_validated() -> bool:
    status = cluster_status.observe()
    if status.problems:
        say(f"not yet: {status.problems[0]}")
    return status.validated


def page() -> str:
    """Answer of the published port; empty without one."""
    try:
        with urllib.request.urlopen(URL, timeout=20) as answer:
            return str(answer.read().decode())
    except (OSError, http.client.HTTPException):
        return ""


def test_a_node_on_a_stock_kernel_is_a_valid_cluster(guest: Guest) -> None:
    took_s = guest.until(is_validated, SETTLE_S, "the cluster does not validate")
    say(f"= validated {took_s:.0f} s later")
    assert cluster_status.on_machine("systemctl", "--failed", "--plain", "--no-legend") == ""


def test_routing_mesh_carries_traffic_to_a_virtual_ip(guest: Guest) -> None:
    serve = "mkdir /www && echo hello > /www/index.html && exec httpd -f -p 80 -h /www"
    cluster_status.docker("network", "create", "-d", "overlay", "--attachable", "apps")
    cluster_status.docker(
        *("service", "create", "-d", "--name", "web", "--network", "apps", "--publish", f"{PORT}:80"),
        *("--no-resolve-image", cluster_status.PROBE, "sh", "-c", serve),
    )
    took_s = guest.until(lambda: page() == "hello\n", SETTLE_S, f"{URL} does not answer")
    say(f"= answers through the routing mesh {took_s:.0f} s after its creation")
    endpoint = json.loads(cluster_status.docker("service", "inspect", "web"))[0]["Endpoint"]
    assert endpoint["Spec"]["Mode"] == "vip"
    assert endpoint["Ports"][0]["PublishMode"] == "ingress"
    assert "ip_vs_rr" in cluster_status.in_container("cat", "/proc/modules")
    # By its name, which is the virtual IP.
    assert cluster_status.has_answer("http://web/", options=("--network", "apps"))


def test_reboot_is_survived_unaided(guest: Guest) -> None:
    before = boot_id()
    guest.console.boots = 0
    say("reboots")
    try:
        cluster_status.on_machine("systemctl", "reboot")
    except process.Failed as exc:
        say(f"connection cut: {exc}")
    took_s = guest.until(lambda: guest.console.boots > 0, BOOT_S, "the node is not ready again")
    say(f"= ready again {took_s:.0f} s after the reboot was asked for")
    took_s = guest.until(is_validated, SETTLE_S, "the cluster does not validate again")
    say(f"= validated again {took_s:.0f} s later")
    took_s = guest.until(lambda: page() == "hello\n", SETTLE_S, f"{URL} does not answer again")
    say(f"= the service answers again {took_s:.0f} s later")
    assert boot_id() != before


def boot_id() -> str:
    """The kernel's name of this boot."""
    return cluster_status.in_container("cat", "/proc/sys/kernel/random/boot_id")
