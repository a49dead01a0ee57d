"""The rehearsal knows more than its AWS: it knows which machines have power."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarmer.core import description
from swarmer.core.health import Expected
from swarmer.local import node_containers
from swarmer.local.environment import Environment
from swarmer.providers.aws.provider import AwsProvider
from swarmer.providers.rehearsal.provider import RehearsalProvider


def node(name: str, *, runs: bool = True) -> Expected:
    return Expected(
        name=name, instance_id=name, group="all", roles=(), address="10.44.0.4", zone="a", runs=runs
    )


def test_a_machine_without_power_does_not_run_although_ec2_says_so(
    monkeypatch: pytest.MonkeyPatch, small: Path
) -> None:
    """Without that, `swarmer recover` takes a lost node for one that is silent."""
    env = Environment(cluster=description.load(small), servers=small)
    known = [node("a"), node("b"), node("c", runs=False)]
    monkeypatch.setattr(AwsProvider, "nodes", lambda _: known)
    monkeypatch.setattr(node_containers, "running", lambda _: {"a": "now", "c": "now"})
    assert {each.name: each.runs for each in RehearsalProvider(env).nodes()} == {
        "a": True,
        "b": False,
        "c": False,
    }
