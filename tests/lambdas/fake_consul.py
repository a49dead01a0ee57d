"""A Consul as the functions see it through its adapter: state that tests change, and that calls change."""

from __future__ import annotations

from dataclasses import dataclass, field

from swarmer.adapters.consul import Key, Unavailable
from swarmer.core import election, names
from swarmer.core.state import ConsulMember, MemberStatus, RaftServer, ServiceInstance


@dataclass
class FakeConsul:
    """One server that knows everything."""

    answers: bool = True
    has_leader: bool = True
    states: dict[str, str] = field(default_factory=dict)
    voters: dict[str, bool] = field(default_factory=dict)
    """Servers in raft to whether they vote."""
    catalogue: set[str] = field(default_factory=set)
    keys: dict[str, str] = field(default_factory=dict)
    locks: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Key to the session that holds it, and how often it was taken."""
    serving: set[str] = field(default_factory=set)
    """Nodes on which the registry's check passes."""
    calls: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    """Names of calls that fail."""
    deaf_to_stop: bool = False
    """Nodes do not stop when they are told to."""
    lapsed: set[str] = field(default_factory=set)
    """Sessions whose time was up."""
    _sessions: int = 0

    def add(self, name: str, *, server: bool) -> None:
        self.states[name] = "alive"
        self.catalogue.add(name)
        self.keys[f"{names.KV_NODES}{name}"] = "{}"
        if server:
            self.voters[name] = True

    def lend(self, name: str, session: str = "registry-session") -> None:
        """The registry's lock to a node."""
        number = self.locks.get(names.KV_REGISTRY_LOCK, ("", 0))[1] + 1
        self.keys[names.KV_REGISTRY_LOCK] = election.holder_value(name, "10.0.0.1")
        self.locks[names.KV_REGISTRY_LOCK] = (session, number)

    def notes(self, prefix: str) -> set[str]:
        return {key.removeprefix(prefix) for key in self.keys if key.startswith(prefix)}

    def _ask(self, call: str, *, change: str = "") -> None:
        if not self.answers or call in self.broken:
            raise Unavailable(f"{call}: refused")
        if change:
            self.calls.append(change)

    # -- the adapter's --------------------------------------------------------------------------

    def leader(self) -> str:
        self._ask("leader")
        return "10.0.0.1:8300" if self.has_leader else ""

    def raft_servers(self) -> tuple[RaftServer, ...]:
        self._ask("raft_servers")
        if not self.has_leader:
            raise Unavailable("No cluster leader")
        return tuple(
            RaftServer(name=name, address=f"{name}:8300", is_voter=votes)
            for name, votes in self.voters.items()
        )

    def members(self) -> tuple[ConsulMember, ...]:
        self._ask("members")
        return tuple(
            ConsulMember(name=name, address="", status=MemberStatus(state), is_server=name in self.voters)
            for name, state in self.states.items()
        )

    def nodes(self) -> list[str]:
        self._ask("nodes")
        return sorted(self.catalogue)

    def is_catalogued(self, name: str) -> bool:
        self._ask("is_catalogued")
        return name in self.catalogue

    def deregister_node(self, name: str) -> None:
        self._ask("deregister_node", change=f"deregister {name}")
        self.catalogue.discard(name)

    def force_leave(self, name: str) -> None:
        self._ask("force_leave", change=f"force-leave {name}")
        self.states[name] = "left"

    def remove_peer(self, address: str) -> None:
        self._ask("remove_peer", change=f"remove peer {address}")
        self.voters.pop(address.removesuffix(":8300"), None)

    def get(self, key: str) -> Key | None:
        self._ask("get")
        return self._key(key) if key in self.keys else None

    def _key(self, key: str) -> Key:
        session, number = self.locks.get(key, (None, 0))
        return Key(self.keys[key], session, number, 1)

    def below(self, prefix: str) -> dict[str, Key]:
        self._ask("below")
        return {key.removeprefix(prefix): self._key(key) for key in self.keys if key.startswith(prefix)}

    def put_all(self, values: dict[str, str]) -> None:
        for key, value in values.items():
            self.put(key, value)

    def put(self, key: str, value: str) -> None:
        self._ask("put", change=f"put {key}")
        self.keys[key] = value
        if key.startswith(names.KV_LEAVING) and '"stop"' in value and not self.deaf_to_stop:
            self._obey(key.removeprefix(names.KV_LEAVING), value)
        if key == names.KV_REGISTRY_HANDOVER and self.locks.get(names.KV_REGISTRY_LOCK):
            others = sorted(set(self.voters) - {election.holder_name(self.keys[names.KV_REGISTRY_LOCK])})
            self.lend(others[0], "another-session")

    def _obey(self, name: str, value: str) -> None:
        if '"phase": "stop"' in value:
            self.states[name] = "failed"

    def delete(self, key: str) -> None:
        self._ask("delete", change=f"delete {key}")
        self.keys.pop(key, None)

    def create_session(self, name: str, *, ttl_s: int, lock_delay_s: int) -> str:
        self._ask("create_session")
        self._sessions += 1
        return f"session-{self._sessions}"

    def lapse(self) -> None:
        """The time of every session is up: nobody renewed it."""
        for holder, _ in list(self.locks.values()):
            self._end(holder)

    def _end(self, session: str) -> None:
        self.lapsed.add(session)
        for key, (holder, number) in list(self.locks.items()):
            if holder == session:
                self.locks[key] = ("", number)

    def renew_session(self, session: str) -> bool:
        self._ask("renew_session")
        return session not in self.lapsed

    def acquire(self, key: str, value: str, session: str) -> bool:
        self._ask("acquire")
        holder, number = self.locks.get(key, ("", 0))
        if holder and holder != session:
            return False
        self.keys[key] = value
        self.locks[key] = (session, number + 1)
        return True

    def release(self, key: str, value: str, session: str) -> None:
        self._ask("release")
        if session in self.lapsed:
            raise Unavailable(f"500 invalid session {session!r}")
        self.locks[key] = ("", self.locks[key][1])

    def destroy_session(self, session: str) -> None:
        self._ask("destroy_session", change=f"destroy {session}")
        self._end(session)

    def healthy(self, service: str) -> tuple[ServiceInstance, ...]:
        self._ask("healthy")
        return tuple(ServiceInstance(node=name, address="", port=5000) for name in sorted(self.serving))
