"""Faults with another Docker Engine: which ones, and that figures are of the engine that was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chaos.__main__ import SUBSETS, SUITES, check_engine
from chaos.lab import Failure, Lab
from swarmer.local import node_engine


class Swarm(Lab):
    """A Swarm whose nodes run these engines."""

    versions: tuple[str, ...] = ("26.1.5+dfsg1",)

    def ask_swarm(self, path: str) -> Any:
        return [
            {"Description": {"Hostname": f"core-{number}", "Engine": {"EngineVersion": version}}}
            for number, version in enumerate(self.versions, 1)
        ]


def test_every_fault_of_a_subset_is_one() -> None:
    known = {fault.name for _, faults in SUITES for fault in faults}
    for names in SUBSETS.values():
        assert set(names) <= known
        assert len(set(names)) == len(names)


def test_figures_of_the_engine_that_was_asked_for_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(node_engine.VARIABLE, raising=False)
    check_engine(Swarm(Path()))


@pytest.mark.parametrize("versions", [("26.1.5+dfsg1",), ("28.5.2+dfsg4", "26.1.5+dfsg1")])
def test_a_cluster_with_another_engine_is_refused_with_the_nodes_name(
    versions: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(node_engine.VARIABLE, "28")
    swarm = Swarm(Path())
    swarm.versions = versions
    with pytest.raises(Failure, match=rf"^core-{len(versions)} runs Docker Engine 26\.1\.5\+dfsg1, not 28: "):
        check_engine(swarm)
