"""A second cluster beside the first, from a second file: neither knows of the other."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.changes.description import EVERYTHING, Described
from tests.rehearsal.conftest import containers

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]


def described(folder: Path, name: str, tens: int) -> Described:
    """A cluster of one node."""
    return Described(
        folder / f"{name}.yml",
        {"core": {"roles": EVERYTHING, "size": 1}},
        name=name,
        domain=name,
        network={"cidr": f"10.{tens}.0.0/16", "vpn_cidr": f"10.{tens + 1}.0.0/22", "zones": 1},
    )


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Described, Described]]:
    folder = tmp_path_factory.mktemp("beside")
    first, second = described(folder, "first", 44), described(folder, "second", 54)
    try:
        first.become()
        second.become()
        yield first, second
    finally:
        for each in (first, second):
            each.swarmer("down")


def looked_up(cluster: Described, name: str) -> str:
    """The address of a name, on the cluster's node; empty where it knows none."""
    done = cluster.swarmer("exec", "core", "--", "getent", "hosts", name)
    return done.stdout.split()[0] if done.returncode == 0 else ""


def test_each_has_an_aws_of_its_own_on_the_next_free_port(pair: tuple[Described, Described]) -> None:
    first, second = pair
    assert first.env.aws_port < second.env.aws_port
    assert first.bucket()[0] != second.bucket()[0]


def test_names_lead_to_the_own_cluster_only(pair: tuple[Described, Described]) -> None:
    for own, other in (pair, pair[::-1]):
        (node,) = own.nodes()
        own_domain, other_domain = (each.env.cluster.domain for each in (own, other))
        assert looked_up(own, f"registry.service.{own_domain}") == node.address
        assert looked_up(own, f"swarm-4000.service.{own_domain}") == node.address
        assert looked_up(own, f"registry.service.{other_domain}") == ""


def test_an_image_of_one_is_not_in_the_other(pair: tuple[Described, Described]) -> None:
    first, second = pair
    image = first.push("only-here")
    assert first.docker("pull", image)
    other = image.replace(".first:", ".second:")
    with pytest.raises(AssertionError, match=r"not found|manifest unknown"):
        second.docker("pull", other)


def test_the_end_of_the_second_leaves_the_first_untouched_and_well(pair: tuple[Described, Described]) -> None:
    first, second = pair
    before = containers(first.env)
    assert len(before) == 1
    done = second.swarmer("down")
    assert done.returncode == 0, done.stderr
    assert containers(first.env) == before
    assert containers(second.env) == {}
    assert networks("second") == []
    assert networks("first") != []
    status: subprocess.CompletedProcess[str] = first.swarmer("status")
    assert status.returncode == 0, status.stderr


def networks(cluster: str) -> list[str]:
    done = subprocess.run(
        ["docker", "network", "ls", "-q", "--filter", f"label=swarmer.cluster={cluster}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()
