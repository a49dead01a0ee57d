"""Consul's adapter against a real Consul."""

from __future__ import annotations

import socket
import threading

import pytest

from swarmer.adapters.consul import Consul, Unavailable
from swarmer.core.service import Service
from tests.node.conftest import ConsulServer, free_port

WEB = Service(id="n1:web:80", name="web", address="10.0.0.4", port=80, tags=("a", "b"), meta={"k": "v"})


def test_a_lock_belongs_to_one_session_and_a_release_frees_it_at_once(consul: ConsulServer) -> None:
    client = consul.client()
    first, second = (client.create_session(name, ttl_s=10, lock_delay_s=1) for name in ("a", "b"))
    assert client.acquire("lock", "a", first)
    assert not client.acquire("lock", "b", second)
    before = client.get("lock")
    assert before is not None
    assert (before.session, before.value, before.lock_index) == (first, "a", 1)
    client.release("lock", "a", first)
    assert client.acquire("lock", "b", second)
    after = client.get("lock")
    assert after is not None
    assert (after.session, after.lock_index) == (second, 2)
    assert after.index > before.index


def test_a_session_that_ended_is_not_renewed_and_its_lock_stays_shut_for_a_while(
    consul: ConsulServer,
) -> None:
    client = consul.client()
    first, second = (client.create_session(name, ttl_s=10, lock_delay_s=1) for name in ("a", "b"))
    assert client.renew_session(first)
    assert client.acquire("lock", "a", first)
    client.destroy_session(first)
    assert not client.renew_session(first)
    assert not client.acquire("lock", "b", second)


def test_a_watch_returns_when_something_changes(consul: ConsulServer) -> None:
    client = consul.client()
    client.put("prefix/a", "1")
    index, found = client.watch("prefix/", None, wait_s=1)
    assert {key: each.value for key, each in found.items()} == {"prefix/a": "1"}
    later = threading.Timer(0.2, lambda: consul.client().put("prefix/b", "2"))
    later.start()
    _, found = client.watch("prefix/", index, wait_s=10)
    later.join()
    assert set(found) == {"prefix/a", "prefix/b"}


def test_a_key_that_does_not_exist_is_none_and_bytes_that_are_no_text_are_no_error(
    consul: ConsulServer,
) -> None:
    client = consul.client()
    assert client.get("nothing") is None
    client._api.kv.put("bytes", b"\xff\xfe")
    assert client.get("bytes") is not None


def test_a_service_is_given_back_as_it_was_declared(consul: ConsulServer) -> None:
    client = consul.client()
    client.register(WEB)
    assert client.services() == [WEB]
    client.deregister(WEB.id)
    assert client.services() == []
    client.deregister(WEB.id)  # once more is no error


def test_a_service_is_healthy_as_long_as_its_check_is_fed(consul: ConsulServer) -> None:
    client = consul.client()
    client.register(WEB, {"ttl": "10s", "status": "critical"})
    assert client.healthy("web") == ()
    client.confirm(WEB.id, passing=True, note="well")
    assert [each.address for each in client.healthy("web")] == ["10.0.0.4"]
    client.confirm(WEB.id, passing=False, note="ill")
    assert client.healthy("web") == ()


def test_a_server_knows_itself(consul: ConsulServer) -> None:
    client = consul.client()
    (member,) = client.members()
    assert (member.is_alive, member.is_server) == (True, True)
    assert [each.is_voter for each in client.raft_servers()] == [True]
    entry = client.last_entry()
    assert entry is not None
    assert entry > (0, 0)
    client.force_leave("nobody")  # a member that is unknown is no error


def test_whatever_goes_wrong_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        Consul("127.0.0.1", free_port(), timeout_s=1).leader()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{",
        b"x",
        b"",
    ],
    ids=["an error", "no JSON", "no HTTP", "silence"],
)
def test_an_agent_that_answers_rubbish_is_unavailable(answer: bytes) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()

        def reply() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)
                connection.recv(1) if not answer else None

        thread = threading.Thread(target=reply)
        thread.start()
        with pytest.raises(Unavailable):
            Consul("127.0.0.1", server.getsockname()[1], timeout_s=0.5).members()
        thread.join()


def test_a_node_leaves_the_catalogue_with_everything_that_it_declared(consul: ConsulServer) -> None:
    client = consul.client()
    client._api.catalog.register("gone", "10.0.0.9", service={"Service": "web", "Port": 80})
    assert client.is_catalogued("gone")
    assert "gone" in client.nodes()
    client.deregister_node("gone")
    assert not client.is_catalogued("gone")
    assert "gone" not in client.nodes()
    client.deregister_node("gone")  # once more is no error


def test_keys_below_a_prefix_are_found_and_deleted(consul: ConsulServer) -> None:
    client = consul.client()
    client.put("notes/a", "1")
    client.put("notes/b", "2")
    assert {name: key.value for name, key in client.below("notes/").items()} == {"a": "1", "b": "2"}
    client.delete("notes/a")
    client.delete("notes/a")  # once more is no error
    assert set(client.below("notes/")) == {"b"}
    assert client.below("nothing/") == {}


def test_a_server_that_is_out_of_raft_can_be_taken_out_again(consul: ConsulServer) -> None:
    consul.client().remove_peer("10.0.0.9:8300")


def test_the_ui_finds_its_datacenter_although_servers_join_no_others(consul: ConsulServer) -> None:
    """Consul's documentation warns of empty answers with `serf_wan: -1`, the value on nodes. This is the UI's
    first query."""
    assert consul.client()._api.catalog.datacenters() == ["dc1"]
