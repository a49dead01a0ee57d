"""Consul, through py-consul with persistent connections. Every failure is one `Unavailable`."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import consul as py_consul
from consul import base

from swarmer.adapters import consul_json, http
from swarmer.core.service import Service
from swarmer.core.state import ConsulMember, MemberStatus, RaftServer, ServiceInstance

PER_TRANSACTION: Final = 64
"""Number of operations that Consul takes in one request."""
OWN_SERVICE: Final = "consul"
"""Service that Consul's leader declares. Every server has it in the catalogue, and no agent has it."""
MAINTENANCE_CHECK: Final = "_node_maintenance"
"""ID of the check that Consul adds to a node in maintenance mode (structs.NodeMaint)."""
STATUSES: Final = {
    0: MemberStatus.NONE,
    1: MemberStatus.ALIVE,
    2: MemberStatus.LEAVING,
    3: MemberStatus.LEFT,
    4: MemberStatus.FAILED,
}
"""Serf's numbers for the states of its members."""


class Unavailable(Exception):
    """Consul did not answer, or refused."""


@dataclass(frozen=True)
class Key:
    """One entry of the KV store."""

    value: str
    session: str | None
    """ID of the session that holds the lock."""
    lock_index: int
    """Number of times that the lock was acquired."""
    index: int
    """Consul's index of the last write; it grows with each change."""


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (py_consul.ConsulException, http.Unavailable, OSError, ValueError) as exc:
        raise Unavailable(str(exc)) from exc
    except (TypeError, AttributeError, LookupError) as exc:
        # The JSON has another shape than Consul's, or is None because the client accepts a 404 as an answer.
        raise Unavailable(f"an answer that is not Consul's: {exc!r}") from exc


class _Transport(base.HTTPClient):  # type: ignore[misc]
    """Transport for py-consul. Its own (requests) costs a resident program 1 ms of CPU for each query.

    The transport keeps one connection for each thread and timeout.
    """

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        super().__init__(host, port)
        self._address = http.Address(host=host, port=port)
        self._timeout_s = timeout_s
        self._kept = threading.local()

    def _ask(self, method: str, callback: Callable[[Any], Any], path: str, rest: dict[str, Any]) -> Any:
        params = rest.get("params") or []
        # Consul may answer a blocking query late, by up to a sixteenth of its wait.
        wait_s = dict(params).get("wait", "0s").removesuffix("s")
        connection = self._connection(self._timeout_s + float(wait_s) * 17 / 16)
        target = self.uri(path, params).removeprefix(self.base_uri)
        data = rest.get("data") or None
        body = data.encode() if isinstance(data, str) else data
        connection.headers = rest.get("headers") or {}
        answer = connection.request(method, target, body)
        index = answer.headers.get("x-consul-index")
        return callback(base.Response(answer.status, {"X-Consul-Index": index}, answer.body.decode()))

    def _connection(self, timeout_s: float) -> http.Connection:
        mine = self._kept.__dict__
        return mine.setdefault(f"{timeout_s}", http.Connection(self._address, timeout_s))  # type: ignore[no-any-return]

    def get(self, callback: Any, path: str, **rest: Any) -> Any:
        return self._ask("GET", callback, path, rest)

    def put(self, callback: Any, path: str, **rest: Any) -> Any:
        return self._ask("PUT", callback, path, rest)

    def delete(self, callback: Any, path: str, **rest: Any) -> Any:
        return self._ask("DELETE", callback, path, rest)

    def post(self, callback: Any, path: str, **rest: Any) -> Any:
        return self._ask("POST", callback, path, rest)

    def close(self) -> None:
        """Close the connections of this thread; the others close with the threads that opened them."""
        for connection in self._kept.__dict__.values():
            connection.close()


class _Api(base.Consul):  # type: ignore[misc]
    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        super().__init__(host=host, port=port)

    def http_connect(self, host: str, port: int, *_: Any, **__: Any) -> _Transport:
        return _Transport(host, port, self._timeout_s)


def _key(entry: dict[str, Any]) -> Key:
    value = entry["Value"] or b""
    return Key(value.decode(errors="replace"), entry.get("Session"), entry["LockIndex"], entry["ModifyIndex"])


def _member(entry: dict[str, Any]) -> ConsulMember:
    return ConsulMember(
        name=entry["Name"],
        address=entry["Addr"],
        status=STATUSES.get(entry["Status"], MemberStatus.NONE),
        is_server=(entry.get("Tags") or {}).get("role") == "consul",
    )


def _raft_server(entry: dict[str, Any]) -> RaftServer:
    return RaftServer(
        name=entry["Node"],
        address=entry["Address"],
        is_leader=entry["Leader"],
        is_voter=entry["Voter"],
    )


def _instance(entry: dict[str, Any]) -> ServiceInstance:
    service = entry["Service"]
    return ServiceInstance(node=entry["Node"]["Node"], address=service["Address"], port=service["Port"])


class Consul:
    """One agent's HTTP API."""

    def __init__(self, host: str = "127.0.0.1", port: int = 8500, *, timeout_s: float = 5) -> None:
        self._api: Any = _Api(host, port, timeout_s)

    def leader(self) -> str:
        """`address:port` of the leader; empty if there is none."""
        with _translated():
            return self._api.status.leader() or ""

    def members(self) -> tuple[ConsulMember, ...]:
        """LAN members from this agent's point of view, including the agent."""
        with _translated():
            return tuple(map(_member, self._api.agent.members()))

    def join(self, address: str) -> None:
        """Join the cluster of the agent at `address`."""
        with _translated():
            self._api.agent.join(address)

    def last_entry(self) -> tuple[int, int] | None:
        """Term and index of the local server's last raft entry; None if it never took part.

        Their order is that of raft: an entry of a newer leader counts more than a longer log of an older one.
        """
        with _translated():
            raft = self._api.agent.self()["Stats"].get("raft", {})
        index = int(raft.get("last_log_index", 0))
        return (int(raft.get("last_log_term", 0)), index) if index else None

    def force_leave(self, name: str) -> None:
        """Remove a lost member and its vote from the cluster; an unknown member is no error."""
        with _translated():
            try:
                self._api.agent.force_leave(name)
            except py_consul.ConsulException as exc:
                if "No node found" not in str(exc):
                    raise

    def raft_servers(self) -> tuple[RaftServer, ...]:
        """Servers in raft's configuration; only a leader reports them."""
        with _translated():
            return tuple(map(_raft_server, self._api.operator.raft_config()["Servers"]))

    def remove_peer(self, address: str) -> None:
        """Remove the server at `address:port` from raft's configuration; an unknown server is no error."""
        with _translated():
            try:
                self._api.operator.raft_remove_peer(address=address)
            except py_consul.ConsulException as exc:
                if "was not found" not in str(exc):
                    raise

    def nodes(self) -> list[str]:
        """Names of every node in the catalogue."""
        with _translated():
            return [entry["Node"] for entry in self._api.catalog.nodes()[1]]

    def is_catalogued(self, name: str) -> bool:
        """Whether the catalogue holds a node of that name."""
        with _translated():
            return bool(self._api.catalog.node(name)[1])

    def deregister_node(self, name: str) -> None:
        """Remove a node with its services and checks from the catalogue; it may be unknown there."""
        with _translated():
            self._api.catalog.deregister(name)

    def catalogued(self, name: str) -> frozenset[str]:
        """IDs of a node's services in the catalogue, as a majority of the servers knows it."""
        with _translated():
            found = self._api.catalog.node(name, consistency="consistent")[1]
            return frozenset(found["Services"]) - {OWN_SERVICE} if found else frozenset()

    def deregister_catalogued(self, name: str, service_id: str) -> None:
        """Remove a service of a node from the catalogue, independent of its agent; it may be unknown
        there."""
        with _translated():
            self._api.catalog.deregister(name, service_id=service_id)

    # -- keys, locks ----------------------------------------------------------------------

    def get(self, key: str, *, consistency: str | None = None) -> Key | None:
        """One key; None if it does not exist.

        With "consistent" the leader first asks a majority of the servers whether it still leads. By default
        it answers at once, although a leader that stood still may have been replaced meanwhile.
        """
        with _translated():
            _, found = self._api.kv.get(key, consistency=consistency)
        return _key(found) if found else None

    def watch(self, prefix: str, index: str | None, *, wait_s: int) -> tuple[str, dict[str, Key]]:
        """Every key below `prefix` after a change since `index` (None: at once), or after `wait_s` seconds.

        Any server may answer, because a leader that stands still would hold a consistent query for 15 s.
        Therefore the answer may be older than the caller's last one; each key's `index` shows the order.
        """
        with _translated():
            options = {"index": index, "wait": f"{wait_s}s", "recurse": True, "consistency": "stale"}
            new, found = self._api.kv.get(prefix, **options)
        return new, {entry["Key"]: _key(entry) for entry in found or ()}

    def below(self, prefix: str) -> dict[str, Key]:
        """Every key below `prefix`, without the prefix."""
        with _translated():
            _, found = self._api.kv.get(prefix, recurse=True)
        return {entry["Key"].removeprefix(prefix): _key(entry) for entry in found or ()}

    def delete(self, key: str) -> None:
        """Delete one key; it may be gone."""
        with _translated():
            self._api.kv.delete(key)

    def put(self, key: str, value: str) -> None:
        """Write one key."""
        with _translated():
            self._api.kv.put(key, value)

    def create(self, key: str, value: str) -> bool:
        """Write one key if it does not exist (check-and-set with index 0). Returns False if it exists."""
        with _translated():
            return bool(self._api.kv.put(key, value, cas=0))

    def put_all(self, values: Mapping[str, str]) -> None:
        """Write many keys, `PER_TRANSACTION` in one request."""
        operations = [
            {"KV": {"Verb": "set", "Key": key, "Value": base64.b64encode(value.encode()).decode()}}
            for key, value in values.items()
        ]
        with _translated():
            for begin in range(0, len(operations), PER_TRANSACTION):
                self._api.txn.put(operations[begin : begin + PER_TRANSACTION])

    def create_session(self, name: str, *, ttl_s: int, lock_delay_s: int, node: str | None = None) -> str:
        """Create a session that ends with its node's health or `ttl_s` after its last renewal.

        `node`: name of that node; by default the agent's own.
        """
        with _translated():
            return str(self._api.session.create(name, node=node, ttl=ttl_s, lock_delay=lock_delay_s))

    def renew_session(self, session: str) -> bool:
        """Renew a session. Returns False if Consul has ended it. The leader answers without a check that it
        still leads."""
        with _translated():
            try:
                return self._api.session.renew(session) is not None
            except py_consul.NotFound:
                return False

    def release(self, key: str, value: str, session: str) -> None:
        """Release a lock at once: the only way without a lock-delay."""
        with _translated():
            self._api.kv.put(key, value, release=session)

    def destroy_session(self, session: str) -> None:
        """End a session; its locks stay closed for the lock-delay."""
        with _translated():
            self._api.session.destroy(session)

    def acquire(self, key: str, value: str, session: str) -> bool:
        """Acquire the lock; return whether the session holds it now. After an error only `holds` is
        certain."""
        with _translated():
            return bool(self._api.kv.put(key, value, acquire=session))

    def holds(self, key: str, session: str) -> bool:
        """Whether a majority of the servers confirms that the session holds the lock."""
        found = self.get(key, consistency="consistent")
        return found is not None and found.session == session

    # -- services ---------------------------------------------------------------------------

    def register(self, service: Service, check: dict[str, Any] | None = None) -> None:
        """Declare a service with the local agent. `check`: definition in the words of Consul's API."""
        with _translated():
            self._api.agent.service.register(
                service.name,
                service_id=service.id,
                address=service.address,
                port=service.port,
                tags=list(service.tags),
                meta=dict(service.meta),
                check=check,
            )

    def deregister(self, service_id: str) -> None:
        """Remove a service from the local agent; it may be unknown there."""
        with _translated():
            try:
                self._api.agent.service.deregister(service_id)
            except (py_consul.NotFound, py_consul.ConsulException) as exc:
                if "Unknown service" not in str(exc) and not isinstance(exc, py_consul.NotFound):
                    raise

    def services(self) -> list[Service]:
        """The local agent's services."""
        with _translated():
            found = self._api.agent.services()
            return [consul_json.agent_service(key, entry) for key, entry in found.items()]

    def confirm(self, service_id: str, *, passing: bool, note: str) -> None:
        """Update the TTL check of a service."""
        check = self._api.agent.check
        with _translated():
            (check.ttl_pass if passing else check.ttl_fail)(f"service:{service_id}", notes=note)

    def unhealthy(self, service: str) -> dict[str, str]:
        """Output of a service's checks that fail or warn, by node."""
        with _translated():
            checks = self._api.health.checks(service)[1]
            return {each["Node"]: each["Output"] for each in checks if each["Status"] != "passing"}

    def maintained(self) -> dict[str, str]:
        """Reason of each node in maintenance mode (`consul maint`), by node."""
        with _translated():
            checks = self._api.health.state("critical")[1]
            return {each["Node"]: each["Notes"] for each in checks if each["CheckID"] == MAINTENANCE_CHECK}

    def healthy(self, service: str) -> tuple[ServiceInstance, ...]:
        """Instances of a service with passing checks."""
        with _translated():
            return tuple(map(_instance, self._api.health.service(service, passing=True)[1]))
