"""The small HTTP client, and the addresses of engines and agents."""

from __future__ import annotations

import gc
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from swarmer.adapters import catalogue, engine
from swarmer.adapters.http import Address, Connection, Unavailable

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@contextmanager
def server(*answers: bytes, keeps: bool = True) -> Iterator[Address]:
    """Answers each question with the next of these; a connection each unless it `keeps` it."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def serve() -> None:
            left = list(answers)
            while left:
                connection, _ = listening.accept()
                with connection:
                    while left and connection.recv(65536):
                        connection.sendall(left.pop(0))
                        if not keeps:
                            break

        thread = threading.Thread(target=serve)
        thread.start()
        yield Address(host="127.0.0.1", port=listening.getsockname()[1])
        thread.join(5)


def ask(address: Address) -> object:
    connection = Connection(address, 0.5)
    try:
        return connection.request("GET", "/").json()
    finally:
        connection.close()


def test_a_connection_is_kept() -> None:
    with server(ANSWER, ANSWER) as address:
        connection = Connection(address, 1)
        assert connection.request("GET", "/").json() == {}
        first = connection.fileno()
        assert not connection.is_cut()
        assert connection.request("PUT", "/", {"a": 1}).json() == {}
        assert connection.fileno() == first
        connection.close()


def test_a_connection_that_the_server_closed_is_opened_again() -> None:
    with server(ANSWER, ANSWER, keeps=False) as address:
        connection = Connection(address, 1)
        assert connection.request("GET", "/").json() == {}
        assert connection.request("GET", "/").json() == {}
        connection.close()


def test_a_cut_is_noticed() -> None:
    with server(ANSWER, keeps=False) as address:
        connection = Connection(address, 1)
        connection.request("GET", "/")
    while not connection.is_cut():
        pass
    assert connection.fileno() == -1


def test_chunks_are_put_together() -> None:
    chunks = b"5\r\n[1, 2\r\n4;x=y\r\n, 3]\r\n0\r\n\r\n"
    with server(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks) as address:
        assert ask(address) == [1, 2, 3]


@pytest.mark.parametrize(
    "answer",
    [
        b"x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"",
    ],
    ids=["no HTTP", "no length", "odd length", "too short", "no JSON", "odd chunk", "no status", "silence"],
)
def test_whatever_goes_wrong_is_unavailable(answer: bytes) -> None:
    with server(answer, keeps=False) as address, pytest.raises(Unavailable):
        ask(address)


def test_a_connection_forgotten_in_the_middle_of_an_answer_is_closed_at_once() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        connection = Connection(Address(host="127.0.0.1", port=listening.getsockname()[1]), 1)
        connection.send("GET", "/")
        peer, _ = listening.accept()
        with peer:
            peer.recv(65536)
            peer.sendall(ANSWER[:30])
            assert connection.poll() is None
            gc.disable()
            try:
                del connection
                peer.settimeout(1)
                assert peer.recv(1) == b""
            finally:
                gc.enable()


def test_nobody_there_is_unavailable() -> None:
    for address in (Address(host="127.0.0.1", port=1), Address(path="/nowhere/docker.sock")):
        with pytest.raises(Unavailable):
            ask(address)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("consul://h:1", Address(host="h", port=1)),
        ("consul://h", Address(host="h", port=8500)),
        ("consul://[::1]:1/", Address(host="::1", port=1)),
        ("consul:", Address(host="127.0.0.1", port=8500)),
        ("consul://", Address(host="127.0.0.1", port=8500)),
        ("consul-unix:///run/c.sock", Address(path="/run/c.sock")),
        ("consul-tls://h:1", Address(host="h", port=1, tls={"ca": "ca.pem"})),
    ],
)
def test_consuls_address_is_written_as_the_original_reads_it(uri: str, expected: Address) -> None:
    assert catalogue.address(uri, {"CONSUL_CACERT": "ca.pem"}) == expected


def test_consul_without_a_host_is_where_the_environment_says() -> None:
    assert catalogue.address("consul:", {"CONSUL_HTTP_ADDR": "http://h:2"}) == Address(host="h", port=2)
    assert catalogue.address("consul:", {"CONSUL_HTTP_ADDR": "unix:///c"}) == Address(path="/c")


@pytest.mark.parametrize("uri", ["", "etcd://h:1", "consul-unix:", "consul://h:x", "consul://:1", "h:1"])
def test_an_address_of_no_consul_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match=r"consul|HOST"):
        catalogue.address(uri, {})


def test_docker_host_names_a_socket_or_a_port() -> None:
    assert engine.address("", {}) == Address(path="/var/run/docker.sock")
    assert engine.address("unix:///d.sock", {}) == Address(path="/d.sock")
    assert engine.address("tcp://h:2375", {}) == Address(host="h", port=2375)
    tls = engine.address("tcp://h:2376", {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/c"}).tls
    assert tls == {"ca": "/c/ca.pem", "cert": "/c/cert.pem", "key": "/c/key.pem"}
    for odd in ("ssh://h", "tcp://h", "h:1"):
        with pytest.raises(ValueError, match="DOCKER_HOST"):
            engine.address(odd, {})


def test_a_connection_that_is_garbage_is_closed_although_its_socket_is_collected_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    complaints: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        connection = Connection(Address(host="127.0.0.1", port=listening.getsockname()[1]))
        connection.send("GET", "/")
        accepted, _ = listening.accept()
        # A collection leaves what is alive in the order in which it found it: here the socket comes first.
        ring: list[object] = [connection, connection._socket]
        ring.append(ring)
        del connection
        gc.collect()
        del ring
        gc.collect()
        with accepted:
            accepted.settimeout(5)
            while accepted.recv(4096):
                pass
    assert complaints == []
