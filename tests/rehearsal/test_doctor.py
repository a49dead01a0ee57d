"""Output of `swarmer doctor`: each missing part, with its remedy."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from swarmer.core.finding import State
from swarmer.local.doctor import Facts, judge
from tests.rehearsal.conftest import swarmer

WELL = Facts(
    python=(3, 12),
    has_venv=True,
    engine="27.1.0",
    can_install=False,
    has_image=True,
    has_mmdebstrap=True,
    node="v24.0.0",
    cdk="2.1148.1",
    vagrant="Vagrant 2.4.1",
    providers=("docker",),
    has_compose=True,
    cgroup=2,
    has_ipvs=True,
    has_esp=True,
    port=4566,
    port_problem=None,
    networks=(),
    cidr="10.42.0.0/16",
    disk_gib=100.0,
    memory_mib=8000,
    inotify_instances=128,
    nodes=5,
)


def test_a_machine_that_has_everything_is_well() -> None:
    assert {each.state for each in judge(WELL)} == {State.OK}


@pytest.mark.parametrize(
    ("change", "what", "advice"),
    [
        ({"python": (3, 9)}, "Python", "3.11 or newer"),
        ({"has_venv": False}, "venv", "python3-venv"),
        ({"engine": None}, "Docker Engine", "apt-get install docker.io"),
        ({"has_image": False, "has_mmdebstrap": False}, "node image", "apt-get install mmdebstrap"),
        ({"node": None}, "Node", "make setup"),
        ({"cgroup": None}, "cgroups", "systemd.unified_cgroup_hierarchy=1"),
        ({"port_problem": "port 4566 is taken"}, "port of AWS", "port 4566 is taken"),
        ({"networks": ("10.42.0.0/16 (br-1)",)}, "addresses", "10.42.0.0/16 (br-1) overlaps it"),
        ({"disk_gib": 2.0}, "disk", "2.0 GiB free, 6 wanted"),
        ({"memory_mib": 900}, "memory", "describe fewer nodes"),
        ({"nodes": 20}, "inotify", "sudo sysctl fs.inotify.max_user_instances=8192"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_missing_is_named_with_the_way_to_get_it(
    change: dict[str, Any], what: str, advice: str
) -> None:
    (bad,) = [each for each in judge(replace(WELL, **change)) if each.is_bad]
    assert bad.what == what
    assert advice in bad.advice


@pytest.mark.parametrize(
    "change", [{"vagrant": None}, {"has_compose": False}, {"has_ipvs": False}, {"has_esp": False}]
)
def test_what_a_rehearsal_does_without_is_no_fault(change: dict[str, Any]) -> None:
    found = judge(replace(WELL, **change))
    assert not any(each.is_bad for each in found)
    (optional,) = [each for each in found if each.state is State.OPTIONAL]
    assert optional.advice


def test_a_kernel_without_esp_is_said_to_leave_encrypted_overlay_networks_silent() -> None:
    """Docker makes such a network all the same, and its tasks on other nodes do not answer (for-linux#91)."""
    (found,) = [each for each in judge(replace(WELL, has_esp=False)) if each.what == "IPsec ESP"]
    assert "`--opt encrypted` carry nothing between nodes" in found.advice


def test_what_up_installs_itself_is_no_fault() -> None:
    found = judge(
        replace(WELL, can_install=True, engine=None, has_image=False, has_mmdebstrap=False, cdk=None)
    )
    assert not any(each.is_bad for each in found)


def test_the_command_says_the_same_to_programs() -> None:
    done = swarmer("doctor", "--json")
    rows = json.loads(done.stdout)
    assert {row["what"] for row in rows} >= {"Docker Engine", "Node", "Vagrant", "cgroups", "IPVS", "disk"}
    assert done.returncode == (1 if any(row["state"] == State.MISSING for row in rows) else 0)
