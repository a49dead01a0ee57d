"""`swarmer registrator` as a person types it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.core.inspected import container
from tests.node import stand_ins
from tests.node.conftest import ConsulServer, free_port
from tests.node.lab import SWARMER, until


def registrator(*argv: str, stdin: object = "", **more: Any) -> subprocess.CompletedProcess[bytes]:
    data = stdin if isinstance(stdin, bytes) else str(stdin).encode()
    return subprocess.run(
        [str(SWARMER), "registrator", *argv], input=data, capture_output=True, check=False, timeout=30, **more
    )


def plan(stdin: object, *options: str) -> Any:
    done = registrator("plan", "--hostname", "h1", "--ip", "10.0.0.1", *options, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_plan_says_what_would_be_declared() -> None:
    ((found,),) = plan(json.dumps(container(env=["SERVICE_TAGS=a", "SERVICE_CHECK_TCP=1"])))
    meta = found.pop("meta")
    assert found == {
        "id": "h1:redis.0:6379",
        "name": "redis",
        "address": "10.0.0.1",
        "port": 32768,
        "tags": ["a"],
        "check": {"TCP": "10.0.0.1:32768", "Interval": "10s"},
    }
    assert meta["swarmer-registrator"] == "h1"


def test_plan_takes_a_list_and_gives_one_for_each() -> None:
    peer = container(name="/pod", networks={"bridge": {"IPAddress": "172.17.0.9"}}, ports={})
    shared = container(mode="container:pod", ports={}, exposed={"80/tcp": {}})
    found = plan(json.dumps([container(), peer, shared, container(env=["SERVICE_IGNORE=1"])]))
    assert [len(each) for each in found] == [1, 0, 1, 0]
    assert found[2][0]["address"] == "172.17.0.9"
    assert plan("[]") == []


def test_plan_says_why_something_is_no_service() -> None:
    inspected = container(ports={"80/tcp": None}, env=["SERVICE_a.b=c"])
    done = registrator("plan", stdin=json.dumps(inspected))
    assert json.loads(done.stdout) == [[]]
    assert done.stderr.decode() == "redis.0: 80/tcp: not published\n"


def test_two_hundred_take_less_than_a_second() -> None:
    many = json.dumps([container(name=f"/n{number}") for number in range(200)])
    began_s = time.monotonic()
    assert len(plan(many)) == 200
    assert time.monotonic() - began_s < 1.0


def test_bytes_that_are_no_utf8_are_no_reason_to_stop() -> None:
    text = json.dumps(container(env=["SERVICE_NAME=caf@"])).encode().replace(b"caf@", b"caf\xe9")
    ((found,),) = plan(text)
    assert found["name"] == "caf\ufffd"
    ((found,),) = plan(json.dumps(container(env=["SERVICE_TAGS=\ud800"])))
    assert found["tags"] == ["?"]


@pytest.mark.parametrize(
    "stdin",
    ["", "{", "3", '"x"', "null", "[1]", "[[]]", '[{"Config": {}}, {"foo": 1}]', "[" * 200000, b"\xff\xfe"],
    ids=lambda value: repr(value[:20]),
)
def test_bad_input_is_one_clear_line_and_exit_status_2(stdin: object) -> None:
    done = registrator("plan", stdin=stdin)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.count(b"\n") == 1
    assert done.stderr.startswith(b"swarmer: registrator plan: ")


@pytest.mark.parametrize(
    "argv",
    [
        ["run", "-ttl", "30", "consul:"],
        ["run", "-ttl", "10", "-ttl-refresh", "10", "consul:"],
        ["run", "-retry-interval", "0", "consul:"],
        ["run", "-deregister", "never", "consul:"],
        ["run", "-tags", "{{", "consul:"],
        ["run", "-nothing", "consul:"],
        ["run", "consul://127.0.0.1:8500", "-ip", "1.2.3.4"],
        ["run", "etcd://127.0.0.1:4001"],
        ["run", "127.0.0.1:8500"],
        ["run", "consul://127.0.0.1:x"],
        ["plan", "consul:"],
        ["plan", "-resync", "x"],
    ],
    ids=" ".join,
)
def test_a_wrong_option_is_one_line_and_exit_status_2(argv: list[str]) -> None:
    done = registrator(*argv)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.count(b"\n") == 1


def test_without_a_command_or_an_address_its_use_is_shown() -> None:
    for argv in ([], ["run"], ["run", "-internal"], ["walk"]):
        done = registrator(*argv)
        assert done.returncode == 2
        assert b"usage:" in done.stderr
    assert b"usage:" in registrator("-h").stdout


@pytest.mark.parametrize("flag", ["-version", "--version"])
def test_the_version_is_told_alone_and_behind_a_command(flag: str) -> None:
    for argv in ([flag], ["run", flag]):
        done = registrator(*argv)
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.strip().count(b".") == 2


def test_attempts_to_reach_consul_are_counted_where_they_are_asked_for() -> None:
    began_s = time.monotonic()
    words = ["-retry-attempts", "2", "-retry-interval", "100"]
    done = registrator("run", *words, f"consul://127.0.0.1:{free_port()}")
    assert done.returncode == 1
    assert done.stdout.count(b"Connection refused") == 3
    assert time.monotonic() - began_s > 0.2


def test_a_docker_host_that_is_none_is_told() -> None:
    done = registrator("run", "consul:", env={"DOCKER_HOST": "ssh://x", "PATH": "/usr/bin"})
    assert done.returncode == 2
    assert b"DOCKER_HOST" in done.stderr


def test_the_whole_command_knows_it_too() -> None:
    done = subprocess.run([str(SWARMER), "--help"], capture_output=True, check=False)
    assert b"registrator" in done.stdout


# -- run, with an engine that is a stand-in -------------------------------------------------------


@contextmanager
def running(folder: Path, address: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """The registrator of the host n1, on which one container runs."""
    with stand_ins.engine(folder, container()) as host:
        process = subprocess.Popen(
            [str(SWARMER), "registrator", "run", "-hostname", "n1", "-ip", "10.0.0.4", address],
            env={**os.environ, "DOCKER_HOST": host, **environment},
            stdout=subprocess.DEVNULL,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def declared(consul: ConsulServer) -> list[str]:
    return [each.id for each in consul.client().services()]


def test_at_its_end_what_is_declared_stays(consul: ConsulServer, tmp_path: Path) -> None:
    with running(tmp_path, f"consul://127.0.0.1:{consul.port}") as process:
        until(lambda: declared(consul) == ["n1:redis.0:6379"])
        process.terminate()
        assert process.wait(10) == 0
    assert declared(consul) == ["n1:redis.0:6379"]


def test_consul_is_spoken_to_through_a_unix_socket(consul: ConsulServer, tmp_path: Path) -> None:
    path = tmp_path / "consul.sock"
    consul.stop()
    consul.settings["addresses"] = {"http": f"127.0.0.1 unix://{path}"}
    consul.start()
    with running(tmp_path, f"consul-unix://{path}"):
        until(lambda: declared(consul) == ["n1:redis.0:6379"])


def test_every_question_to_consul_has_the_token(tmp_path: Path) -> None:
    with (
        stand_ins.agent() as (address, heard),
        running(tmp_path, address, CONSUL_HTTP_TOKEN="secret"),
    ):
        until(lambda: ("/v1/agent/service/register", "secret") in heard)
        assert {token for _, token in heard} == {"secret"}
