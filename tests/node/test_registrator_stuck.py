"""A container of which dockerd says nothing, or nothing sensible, costs the others nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from node.registrator import Registrator
from swarmer.adapters import catalogue, engine
from swarmer.core.registration import CONTAINER, ENGINE, MARKER, Entry, Service
from tests.core.inspected import container, options
from tests.node import stand_ins
from tests.node.lab import until

STUCK, WELL, ALSO = "a" * 64, "b" * 64, "c" * 64


def one(number: str) -> dict[str, Any]:
    return {**container(name=f"/{number[0]}"), "Id": number}


def entry(number: str) -> Entry:
    meta = {MARKER: "n1", ENGINE: "ENGINE", CONTAINER: number[:12]}
    return Entry(Service(id=f"n1:{number[0]}:6379", name="redis", address="10.0.0.4", port=1, meta=meta))


@pytest.mark.parametrize("how", ["stuck", "broken"])
def test_others_are_declared_and_its_own_entry_stays(tmp_path: Path, how: str) -> None:
    with (
        stand_ins.engine(tmp_path, one(ALSO), one(STUCK), one(WELL), **{how: (STUCK,)}) as host,
        stand_ins.agent() as (address, _),
    ):
        here = engine.Engine(engine.address(host, {}), timeout_s=0.5)
        consul = catalogue.Catalogue(catalogue.address(address, {}))
        consul.entries = lambda: [entry(STUCK)]  # type: ignore[method-assign]
        found = Registrator(options(), here, consul, lambda _: None)

        def declared() -> set[str]:
            found.step()
            return {key.split(":")[1] for key in found.sync.entries or ()}

        until(lambda: declared() == {"a", "b", "c"})
        # Nor is the engine given up for it.
        assert found._events is not None
        found.on_engine_lost(OSError())
