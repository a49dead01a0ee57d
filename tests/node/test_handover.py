"""The program that moves the registry, against a real Consul."""

from __future__ import annotations

import json
import os
import threading
import time

import pytest

from node import handover
from swarmer.adapters.consul import Consul
from swarmer.core import names
from tests.node.conftest import ConsulServer, free_port


def held_by(client: Consul, node: str) -> str:
    session = client.create_session(node, ttl_s=10, lock_delay_s=0)
    assert client.acquire(names.KV_REGISTRY_LOCK, json.dumps({"node": node}), session)
    return session


def hand_over(consul: ConsulServer, successor: str) -> int:
    """Exit status of the program while a holder, core-1, obeys it, and the successor takes the lock."""
    client = consul.client()
    session = held_by(client, "core-1")

    def obey() -> None:
        mine = consul.client()
        while (asked := mine.get(names.KV_REGISTRY_HANDOVER)) is None:
            time.sleep(0.05)
        lock = mine.get(names.KV_REGISTRY_LOCK)
        assert lock is not None
        assert asked.value == str(lock.lock_index)
        mine.destroy_session(session)
        held_by(mine, successor)

    holder = threading.Thread(target=obey)
    holder.start()
    status = handover.main(client)
    holder.join()
    return status


def test_the_holder_is_asked_and_the_next_one_is_named(
    consul: ConsulServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hand_over(consul, "core-2") == 0
    assert json.loads(capsys.readouterr().out) == {"before": "core-1", "after": "core-2"}


def test_a_holder_that_takes_the_registry_again_has_handed_over_to_no_manager(
    consul: ConsulServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hand_over(consul, "core-1") == 1
    assert capsys.readouterr().err.startswith(
        "no other manager took over the registry: core-1 serves it again"
    )


def test_without_a_holder_nobody_is_asked(consul: ConsulServer, capsys: pytest.CaptureFixture[str]) -> None:
    client = consul.client()
    assert handover.main(client) == 1
    assert capsys.readouterr().err.startswith("no node holds the registry")
    assert client.get(names.KV_REGISTRY_HANDOVER) is None


def test_if_nobody_takes_over_the_program_fails_in_time(
    consul: ConsulServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(handover, "HANDOVER_TIMEOUT_S", 0.3)
    client = consul.client()
    held_by(client, "core-1")
    assert handover.main(client) == 1
    assert "no manager took over the registry" in capsys.readouterr().err


def test_a_node_without_consul_says_that_another_may_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert handover.main(Consul("127.0.0.1", free_port(), timeout_s=1)) == os.EX_UNAVAILABLE
    assert capsys.readouterr().err.startswith("Consul does not answer")
