"""One dockerd for all of them, and a registrator for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.node.conftest import ConsulServer
from tests.node.lab import Agent, Dockerd, engine


@pytest.fixture(scope="package")
def dockerd() -> Iterator[Dockerd]:
    with engine() as found:
        yield found


@pytest.fixture
def agent(dockerd: Dockerd, consul: ConsulServer, tmp_path: Path) -> Iterator[Agent]:
    """Agent that has not started yet; no container runs."""
    dockerd.clear()
    found = Agent(dockerd.host, consul, tmp_path / "registrator.log")
    found.log.touch()
    yield found
    found.kill()
