"""Promises of the Consul adapter with several agents, or with failing ones."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from swarmer.adapters.consul import Consul, Unavailable
from swarmer.core import election
from swarmer.core.service import Service
from tests.node.daemons.bad_server import answering, http, nobody
from tests.node.daemons.daemon import Daemon, eventually

WEB = Service(
    id="node:web:80:udp", name="web", address="10.0.0.9", port=32768, tags=("udp",), meta={"by": "node"}
)
KEY = "swarmer/registry/lock"


def new_session(daemon: Daemon) -> str:
    return daemon.api.create_session("test", ttl_s=election.SESSION_TTL_S, lock_delay_s=election.LOCK_DELAY_S)


def alive(daemon: Daemon) -> list[str]:
    return sorted(member.name for member in daemon.api.members() if member.is_alive)


def test_every_agent_knows_the_leader_and_all_members(cluster: list[Daemon]) -> None:
    everybody = sorted(each.machine.name for each in cluster)

    def knows_all(daemon: Daemon) -> bool:
        return alive(daemon) == everybody

    for daemon in cluster:
        assert daemon.api.leader() == f"{cluster[0].address}:8300"
        eventually(partial(knows_all, daemon))


def test_only_a_server_has_a_raft_log(server: Daemon, left: Daemon) -> None:
    entry = server.api.last_entry()
    assert entry is not None
    assert entry > (0, 0)
    assert left.api.last_entry() is None


def test_joining_where_nobody_is_is_unavailable(left: Daemon, loopback: Callable[[], str]) -> None:
    with pytest.raises(Unavailable):
        left.api.join(loopback())


def test_a_key_written_through_one_agent_is_read_through_another(left: Daemon, right: Daemon) -> None:
    left.api.put("swarmer/swarm/id", "größer = 1\n")
    found = right.api.get("swarmer/swarm/id")
    assert found
    assert (found.value, found.session, found.lock_index) == ("größer = 1\n", None, 0)


def test_a_lock_is_refused_to_the_other_node_until_it_is_free(left: Daemon, right: Daemon) -> None:
    mine, theirs = new_session(left), new_session(right)
    assert left.api.acquire(KEY, "left", mine)
    assert not right.api.acquire(KEY, "right", theirs)
    right.api.release(KEY, "right", theirs)  # not its own: nothing happens
    assert not right.api.acquire(KEY, "right", theirs)
    left.api.release(KEY, "left", mine)
    assert right.api.acquire(KEY, "right", theirs)


def test_a_lock_whose_session_ended_opens_after_its_delay_and_not_before(left: Daemon, right: Daemon) -> None:
    mine, theirs = new_session(left), new_session(right)
    assert left.api.acquire(KEY, "left", mine)
    began_s = time.monotonic()
    left.api.destroy_session(mine)
    eventually(lambda: right.api.acquire(KEY, "right", theirs))
    assert time.monotonic() - began_s >= election.LOCK_DELAY_S
    assert not left.api.renew_session(mine)


def test_a_check_fed_on_one_node_is_seen_on_another(left: Daemon, right: Daemon) -> None:
    def seen() -> list[str]:
        return [each.address for each in right.api.healthy("web")]

    left.api.register(WEB, {"ttl": "60s", "status": "critical"})
    left.api.confirm(WEB.id, passing=True, note="well")
    eventually(lambda: seen() == [WEB.address])
    left.api.confirm(WEB.id, passing=False, note="ill")
    eventually(lambda: seen() == [])


def test_a_check_that_nobody_feeds_turns_critical_by_itself(left: Daemon) -> None:
    left.api.register(WEB, {"ttl": "300ms", "status": "passing"})
    eventually(lambda: [each["Status"] for each in left.request("GET", "health/checks/web")] == ["critical"])
    assert left.api.healthy("web") == ()


def maintain(daemon: Daemon, switch: str) -> None:
    with contextlib.suppress(ValueError):  # the answer is empty
        daemon.request("PUT", f"agent/maintenance?enable={switch}&reason=a%20new%20disk")


def test_maintenance_mode_takes_a_node_out_of_dns_and_is_told_with_its_reason(
    left: Daemon, right: Daemon
) -> None:
    def is_healthy() -> bool:
        return bool(left.api.healthy("web"))

    right.api.register(WEB)
    eventually(is_healthy)
    maintain(right, "true")
    try:
        eventually(lambda: left.api.maintained() == {right.machine.name: "a new disk"})
        assert not is_healthy()
    finally:
        maintain(right, "false")
    eventually(lambda: not left.api.maintained() and is_healthy())


def test_a_living_node_that_an_operator_forces_to_leave_stays_a_member(left: Daemon, right: Daemon) -> None:
    """The node objects by gossip."""
    left.api.force_leave(right.machine.name)
    eventually(lambda: right.machine.name in alive(left))
    time.sleep(1)
    assert right.machine.name in alive(left)


def test_what_an_operator_takes_out_of_the_catalogue_its_agent_declares_again(left: Daemon) -> None:
    """Consul's agents compare themselves from time to time; here each registration makes them do it."""
    left.api.register(WEB)
    eventually(lambda: WEB.id in left.api.catalogued(left.machine.name))
    left.api.deregister_node(left.machine.name)
    assert not left.api.catalogued(left.machine.name)
    left.api.register(WEB, {"ttl": "60s", "status": "passing"})
    eventually(lambda: WEB.id in left.api.catalogued(left.machine.name))


def test_confirming_a_service_that_is_unknown_is_unavailable(left: Daemon) -> None:
    with pytest.raises(Unavailable, match="nobody"):
        left.api.confirm("nobody", passing=True, note="")


# -- failures: each call, each way ---------------------------------------------------------------

CALLS: dict[str, Callable[[Consul], Any]] = {
    "leader": lambda api: api.leader(),
    "members": lambda api: api.members(),
    "join": lambda api: api.join("10.0.0.1"),
    "last_entry": lambda api: api.last_entry(),
    "force_leave": lambda api: api.force_leave("core-1"),
    "raft_servers": lambda api: api.raft_servers(),
    "get": lambda api: api.get("a"),
    "watch": lambda api: api.watch("a/", None, wait_s=1),
    "put": lambda api: api.put("a", "b"),
    "create": lambda api: api.create("a", "b"),
    "holds": lambda api: api.holds("a", "s"),
    "put_all": lambda api: api.put_all({"a": "b"}),
    "create_session": lambda api: api.create_session("a", ttl_s=10, lock_delay_s=1),
    "renew_session": lambda api: api.renew_session("s"),
    "release": lambda api: api.release("a", "b", "s"),
    "destroy_session": lambda api: api.destroy_session("s"),
    "acquire": lambda api: api.acquire("a", "b", "s"),
    "register": lambda api: api.register(WEB),
    "deregister": lambda api: api.deregister("web"),
    "services": lambda api: api.services(),
    "confirm": lambda api: api.confirm("web", passing=True, note=""),
    "unhealthy": lambda api: api.unhealthy("web"),
    "maintained": lambda api: api.maintained(),
    "healthy": lambda api: api.healthy("web"),
    "remove_peer": lambda api: api.remove_peer("10.0.0.1:8300"),
    "nodes": lambda api: api.nodes(),
    "is_catalogued": lambda api: api.is_catalogued("core-1"),
    "deregister_node": lambda api: api.deregister_node("core-1"),
    "catalogued": lambda api: api.catalogued("core-1"),
    "deregister_catalogued": lambda api: api.deregister_catalogued("core-1", "web"),
    "below": lambda api: api.below("a/"),
    "delete": lambda api: api.delete("a"),
}
READS = (
    *("leader", "members", "last_entry", "raft_servers", "get", "watch", "services", "unhealthy", "healthy"),
    *("nodes", "is_catalogued", "catalogued", "below", "holds", "maintained"),
)


def every(*calls: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("call", calls or CALLS)


@pytest.fixture(scope="module")
def failing() -> Iterator[int]:
    with answering(http(b"rpc error: no cluster leader", "500 Internal Server Error")) as port:
        yield port


def test_every_call_of_the_adapter_is_tried() -> None:
    assert set(CALLS) == {name for name in vars(Consul) if not name.startswith("_")}


@every()
def test_nobody_listening_is_unavailable(call: str) -> None:
    with pytest.raises(Unavailable):
        CALLS[call](Consul(port=nobody()))


@every()
def test_an_agent_that_fails_is_unavailable_in_its_own_words(call: str, failing: int) -> None:
    with pytest.raises(Unavailable, match="no cluster leader"):
        CALLS[call](Consul(port=failing))


@every()
def test_what_speaks_no_http_is_unavailable(call: str) -> None:
    with answering(b"SSH-2.0-OpenSSH_9.2\r\n") as port, pytest.raises(Unavailable):
        CALLS[call](Consul(port=port))


@every(*READS)
def test_an_answer_that_is_no_json_is_unavailable(call: str) -> None:
    with answering(http(b"<html>", "200 OK", "X-Consul-Index: 1")) as port, pytest.raises(Unavailable):
        CALLS[call](Consul(port=port))


@every("last_entry", "raft_servers", "get", "watch", "services", "catalogued")
def test_json_that_is_not_consuls_is_unavailable(call: str) -> None:
    body = http(b'["a proxy says hello"]', "200 OK", "X-Consul-Index: 1")
    with answering(body) as port, pytest.raises(Unavailable):
        CALLS[call](Consul(port=port))


@every("members", "last_entry", "raft_servers", "services", "unhealthy", "healthy")
def test_a_path_that_the_server_does_not_have_is_unavailable(call: str) -> None:
    body = http(b"404 page not found", "404 Not Found", "X-Consul-Index: 1")
    with answering(body) as port, pytest.raises(Unavailable):
        CALLS[call](Consul(port=port))


@every("leader", "renew_session", "put")
def test_an_agent_that_hangs_is_unavailable_in_time(call: str) -> None:
    began_s = time.monotonic()
    with answering(b"", hangs=True) as port, pytest.raises(Unavailable, match="timed out"):
        CALLS[call](Consul(port=port, timeout_s=0.3))
    assert time.monotonic() - began_s < 5
