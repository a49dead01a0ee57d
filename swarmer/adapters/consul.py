"""Consul, through py-consul. Every failure is one `Unavailable`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import consul as py_consul
import requests

from swarmer.core.registration import Service


class Unavailable(Exception):
    """Consul did not answer, or refused."""


@dataclass(frozen=True)
class Key:
    """One entry of the KV store."""

    value: str
    session: str | None
    """Of the lock's holder."""
    lock_index: int
    """How often the lock was acquired."""
    index: int
    """Consul's index when it was written: grows with each change."""


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (py_consul.ConsulException, requests.RequestException, OSError, ValueError) as exc:
        raise Unavailable(str(exc)) from exc
    except (TypeError, AttributeError, LookupError) as exc:
        # JSON of another shape than Consul's, or None where its client takes a 404 for an answer.
        raise Unavailable(f"an answer that is not Consul's: {exc!r}") from exc


def _service(service_id: str, entry: dict[str, Any]) -> Service:
    return Service(
        id=service_id,
        name=entry["Service"],
        address=entry["Address"],
        port=entry["Port"],
        tags=tuple(entry["Tags"] or ()),
        meta=entry["Meta"] or {},
    )


def _key(entry: dict[str, Any]) -> Key:
    value = entry["Value"] or b""
    return Key(value.decode(errors="replace"), entry.get("Session"), entry["LockIndex"], entry["ModifyIndex"])


class Consul:
    """One agent's HTTP API."""

    def __init__(self, host: str = "127.0.0.1", port: int = 8500, *, timeout_s: float = 5) -> None:
        self._api: Any = py_consul.Consul(host=host, port=port, connections_timeout=timeout_s)

    def leader(self) -> str:
        """`address:port` of the leader, empty where there is none."""
        with _translated():
            return self._api.status.leader() or ""

    def members(self) -> list[dict[str, Any]]:
        """LAN members as this agent sees them: Name, Addr, Status (1 is alive), Tags."""
        with _translated():
            return list(self._api.agent.members())

    def join(self, address: str) -> None:
        """Join the cluster of the agent at `address`."""
        with _translated():
            self._api.agent.join(address)

    def raft_index(self) -> int:
        """Last index of the local server's raft log; 0 for one that never took part, or no server."""
        with _translated():
            raft = self._api.agent.self()["Stats"].get("raft", {})
        return int(raft.get("last_log_index", 0))

    def force_leave(self, name: str) -> None:
        """Take a member that is gone for good out of the cluster, and its vote; one unknown is no error."""
        with _translated():
            try:
                self._api.agent.force_leave(name)
            except py_consul.ConsulException as exc:
                if "No node found" not in str(exc):
                    raise

    def raft_servers(self) -> list[dict[str, Any]]:
        """Raft's servers: Node, Address, Leader, Voter."""
        with _translated():
            return list(self._api.operator.raft_config()["Servers"])

    # -- keys, locks ----------------------------------------------------------------------

    def get(self, key: str) -> Key | None:
        """One key, None where it does not exist."""
        with _translated():
            _, found = self._api.kv.get(key)
        return _key(found) if found else None

    def watch(self, prefix: str, index: str | None, *, wait_s: int) -> tuple[str, dict[str, Key]]:
        """Every key below `prefix` once anything changed since `index` (None: at once), or after `wait_s`.

        Of whichever server answers: a leader that stands still would hold a consistent question for 15 s. So
        what comes may be older than what is known; each key's `index` tells.
        """
        with _translated():
            options = {"index": index, "wait": f"{wait_s}s", "recurse": True, "consistency": "stale"}
            new, found = self._api.kv.get(prefix, **options)
        return new, {entry["Key"]: _key(entry) for entry in found or ()}

    def put(self, key: str, value: str) -> None:
        """Write one key."""
        with _translated():
            self._api.kv.put(key, value)

    def create_session(self, name: str, *, ttl_s: int, lock_delay_s: int) -> str:
        """A session that ends with its node's health or `ttl_s` after its last renewal."""
        with _translated():
            return str(self._api.session.create(name, ttl=ttl_s, lock_delay=lock_delay_s))

    def renew_session(self, session: str) -> bool:
        """False where Consul has ended the session."""
        with _translated():
            try:
                return self._api.session.renew(session) is not None
            except py_consul.NotFound:
                return False

    def release(self, key: str, value: str, session: str) -> None:
        """Free a lock at once: the only way that knows no lock-delay."""
        with _translated():
            self._api.kv.put(key, value, release=session)

    def destroy_session(self, session: str) -> None:
        """End a session; locks that it still holds stay closed for its lock-delay."""
        with _translated():
            self._api.session.destroy(session)

    def acquire(self, key: str, value: str, session: str) -> bool:
        """Whether the session holds the lock now."""
        with _translated():
            return bool(self._api.kv.put(key, value, acquire=session))

    # -- services ---------------------------------------------------------------------------

    def register(self, service: Service, check: dict[str, Any] | None = None) -> None:
        """Declare a service with the local agent; `check` as Consul's API takes it."""
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
        """Take a service back from the local agent; it may be unknown there."""
        with _translated():
            try:
                self._api.agent.service.deregister(service_id)
            except (py_consul.NotFound, py_consul.ConsulException) as exc:
                if "Unknown service" not in str(exc) and not isinstance(exc, py_consul.NotFound):
                    raise

    def services(self) -> list[Service]:
        """The local agent's services."""
        with _translated():
            return [_service(key, entry) for key, entry in self._api.agent.services().items()]

    def confirm(self, service_id: str, *, passing: bool, note: str) -> None:
        """Feed the TTL check of a service."""
        check = self._api.agent.check
        with _translated():
            (check.ttl_pass if passing else check.ttl_fail)(f"service:{service_id}", notes=note)

    def healthy(self, service: str) -> list[dict[str, Any]]:
        """Instances of a service whose checks pass, as /v1/health/service gives them."""
        with _translated():
            return list(self._api.health.service(service, passing=True)[1])
