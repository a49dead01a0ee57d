"""Promises of the Docker adapter, with this machine's engine and with broken ones."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from swarmer.adapters.docker import Engine, TimedOut, Unavailable
from swarmer.core.state import SwarmStatus
from tests.node.daemons.bad_server import answering, http, nobody

VERSION = http(b'{"ApiVersion": "1.41"}')
PING = http(b"OK")
"""Answer of an engine before 23.0, which says nothing of its Swarm."""


def test_this_machines_engine_is_in_no_swarm(engine: Engine) -> None:
    found = engine.swarm()
    assert (found.state, found.is_manager, found.id) == ("inactive", False, "")


def test_what_only_managers_know_is_unavailable_elsewhere(engine: Engine) -> None:
    for call in (
        engine.tokens,
        engine.nodes,
        engine.managers,
        engine.swarm_id,
        lambda: engine.ensure_node("self", Availability="drain"),
    ):
        with pytest.raises(Unavailable):
            call()


def test_nobody_listening_is_unavailable(tmp_path: Path) -> None:
    for url in (f"unix://{tmp_path}/docker.sock", f"tcp://127.0.0.1:{nobody()}"):
        with pytest.raises(Unavailable):
            Engine(url, timeout_s=2).ping()


def test_one_that_does_not_answer_in_time_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(TimedOut):
        Engine(f"tcp://127.0.0.1:{server.getsockname()[1]}", timeout_s=0.2).ping()


@pytest.mark.parametrize(
    "answer",
    [http(b"no", "500 Internal Server Error"), http(b"<html>"), http(b'["hello"]'), b"SSH-2.0\r\n", b""],
    ids=["an error", "no JSON", "JSON of somebody else", "no HTTP", "nothing"],
)
def test_an_engine_that_answers_rubbish_is_unavailable(answer: bytes) -> None:
    with answering(answer) as port, pytest.raises(Unavailable):
        Engine(f"tcp://127.0.0.1:{port}", timeout_s=2).ping()


@pytest.mark.parametrize(
    "answer",
    [http(b"no", "500 Internal Server Error"), http(b"<html>"), http(b'{"Swarm": 7}'), b"SSH-2.0\r\n"],
    ids=["an error", "no JSON", "JSON of somebody else", "no HTTP"],
)
def test_an_engine_that_breaks_later_is_unavailable(answer: bytes) -> None:
    for call, before in ((Engine.swarm, (PING, VERSION)), (Engine.nodes, (VERSION,))):
        with answering(*before, answer) as port, pytest.raises(Unavailable):
            call(Engine(f"tcp://127.0.0.1:{port}", timeout_s=2))


def test_an_engine_outside_a_swarm_tells_so_by_a_ping_alone() -> None:
    with answering(http(b"OK", "200 OK", "Swarm: inactive")) as port:
        found = Engine(f"tcp://127.0.0.1:{port}").swarm()
    assert found == SwarmStatus("inactive", is_manager=False, error="", id="", node="")


@pytest.mark.parametrize("state", ["pending", "error", "active/worker", "active/manager"])
def test_an_engine_with_a_swarm_is_asked_for_more(state: str) -> None:
    name = state.partition("/")[0]
    info = http(f'{{"Swarm": {{"LocalNodeState": "{name}", "NodeID": "n1", "Error": "why"}}}}'.encode())
    with answering(http(b"OK", "200 OK", f"Swarm: {state}"), VERSION, info) as port:
        found = Engine(f"tcp://127.0.0.1:{port}").swarm()
    assert (found.state, found.node, found.error) == (name, "n1", "why")


def test_an_engine_that_hangs_is_unavailable_in_time() -> None:
    began_s = time.monotonic()
    with answering(VERSION, b"", hangs=True) as port, pytest.raises(Unavailable, match="timed out"):
        Engine(f"tcp://127.0.0.1:{port}", timeout_s=1).nodes()
    assert time.monotonic() - began_s < 5


@pytest.mark.parametrize(
    ("highest", "lowest", "spoken"),
    [("1.41", "1.12", "1.41"), ("1.45", "1.24", "1.41"), ("1.52", "1.44", "1.44"), ("1.39", "1.12", "1.39")],
    ids=["20.10", "26.1", "29.0", "18.09"],
)
def test_every_engine_is_spoken_to_in_a_version_that_it_takes(highest: str, lowest: str, spoken: str) -> None:
    versions = http(f'{{"ApiVersion": "{highest}", "MinAPIVersion": "{lowest}"}}'.encode())
    with answering(versions) as port:
        assert Engine(f"tcp://127.0.0.1:{port}").api == f"/v{spoken}"


@pytest.mark.parametrize(
    "answer",
    [b"", http(b'{"message": "client version 1.41 is too old"}', "400 Bad Request")],
    ids=["cut", "refused"],
)
def test_an_engine_that_was_upgraded_meanwhile_is_asked_for_its_version_again(answer: bytes) -> None:
    later = http(b'{"ApiVersion": "1.52", "MinAPIVersion": "1.44"}')
    with answering(VERSION, answer, later, http(b"[]")) as port:
        engine = Engine(f"tcp://127.0.0.1:{port}")
        with pytest.raises(Unavailable):
            engine.nodes()
        assert engine.nodes() == ()
        assert engine.api == "/v1.44"
