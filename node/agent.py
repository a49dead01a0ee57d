"""Keeps this node in its Consul cluster and in its Swarm; also declares the Docker API of managers.

Every pass reads the world anew, decides one step (swarmer/core/joining.py) and takes it.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Container
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from node.machine import alive, read, say
from node.vitals import Vitals
from swarmer.adapters import process
from swarmer.adapters.consul import Consul, Unavailable
from swarmer.adapters.docker import Engine, NotFound, Swarm, TimedOut
from swarmer.adapters.docker import Unavailable as DockerUnavailable
from swarmer.core import joining, names
from swarmer.core.configuration import Machine
from swarmer.core.joining import World
from swarmer.core.node import SWARM_MANAGER, SWARM_WORKER, CloudView
from swarmer.core.service import Service

JOINING_PAUSE_S = 0.25
SETTLED_PAUSE_S = 3.0
REDISCOVERY_S = 5.0
"""So often the AWS API is asked while Consul has no leader."""
MOST_JOINS = 16
"""At once."""
GROUND_AGAIN_S = 60.0
"""So often where this node manages another Swarm than the cluster's."""
GROUND_S = 20.0
"""Longer no founder waits for its ground."""
LOCK_S = 30
"""The founder's session, renewed between what takes long: GROUND_S at most, or dockerd."""
TOKENS_S = 300.0
"""So often the Swarm's leader sees to the join tokens: people rotate them, and nobody could join any more."""
MARK_S = 900.0
"""And to the cluster's identity: CloudFormation writes the template's value over it when anything about the
parameter changes, a tag of the stack too. To ask AWS costs half a second of a core."""
MARKS_WITHIN_S = 8.0
"""Then it is given up until the next time: no manager leaves DNS because its ground does not answer."""
SWARM_S = 3.0
"""Longer no answer of a Swarm that has a leader takes."""
DOCKER_TTL = "15s"
"""A manager that says nothing for so long leaves DNS."""
UNANSWERED = (process.Failed, ValueError, KeyError, TypeError)
"""Of the ground: it did not answer, or not in the shape of a view."""
TOKEN_OF_WORKERS = names.KV_TOKEN_WORKER.removeprefix(names.KV_TOKENS)
TOKEN_OF_MANAGERS = names.KV_TOKEN_MANAGER.removeprefix(names.KV_TOKENS)
TOKENS = {TOKEN_OF_WORKERS, TOKEN_OF_MANAGERS}


@dataclass
class Agent:
    """The shell around the decisions: gathers and acts."""

    machine: Machine
    consul: Consul = field(default_factory=Consul)
    engine: Engine | None = None
    impatient: Engine | None = None
    """The same engine, asked for SWARM_S."""
    vitals: Vitals = field(init=False)
    _said: str = ""
    _swarm_node: str = ""
    _joins: bool = False
    """It has asked to join, and was in no Swarm since."""
    _was_half_in: bool = False
    """A join was ended; the Swarm may list this node twice."""
    leaves: str = ""
    """What this node was told when it was to leave. It stays told: soon nobody can be asked any more."""
    view: CloudView = field(default_factory=CloudView)
    """What the ground said last."""
    _looked_s: float = -REDISCOVERY_S
    _unanswered_s: float = -REDISCOVERY_S
    """When the ground did not say whether the cluster was founded."""
    _marked_s: float = -MARK_S
    _saw_to_s: float = -TOKENS_S
    _founding: str = ""
    """The session that holds the lock while the Swarm that this node founds is not published."""

    def __post_init__(self) -> None:
        self.vitals = Vitals(self.machine.address, self.consul)

    @property
    def is_manager(self) -> bool:
        """Whether the description wants this node as a Swarm manager."""
        return SWARM_MANAGER in self.machine.node.roles

    def run(self) -> None:
        """For ever."""
        changed, thread = threading.Event(), None
        if self.is_manager:
            from node.succession import Succession  # HTTP/2, which only managers pay for

            thread = Succession(self.machine.address, changed=changed).start()
        while thread is None or thread.is_alive():
            alive()
            self.vitals.check()
            world = self.gather()
            action = joining.decide(self.machine.node, world)
            try:
                self.keep_lock(world)
                self.act(action)
                if self.is_manager and world.has_leader:
                    self.declare_docker(world)
            except (Unavailable, DockerUnavailable, process.Failed) as exc:
                self.say(f"will try again: {exc}")
                if isinstance(exc, NotFound):
                    self._swarm_node = ""  # another one by now
            # Who has just become the Swarm's leader declares it at once.
            changed.wait(SETTLED_PAUSE_S if isinstance(action, joining.Settled) else JOINING_PAUSE_S)
            changed.clear()

    def say(self, text: str) -> None:
        """Only what is news."""
        if text != self._said:
            say(text)
            self._said = text

    # -- gather ---------------------------------------------------------------------------

    def gather(self) -> World:
        """What Consul and dockerd say now."""
        if self.leaves == names.LEAVING_STOP:
            return World(has_leader=False, members=0, swarm_state=None, leaves=self.leaves)
        try:
            self.listen()
            has_leader = bool(self.consul.leader())
            members = sum(member["Status"] == 1 for member in self.consul.members())
        except Unavailable:
            return World(has_leader=False, members=0, swarm_state=None, leaves=self.leaves)
        world = World(has_leader=has_leader, members=members, swarm_state=None, leaves=self.leaves)
        try:
            swarm = self.look_at_swarm()
            self._swarm_node = swarm.node
            self._joins = self._joins and swarm.state != "active"
            return self.look_at_keys(
                replace(
                    world,
                    swarm_state=swarm.state,
                    is_manager=swarm.is_manager,
                    swarm_error=swarm.error,
                    joins=self._joins,
                    swarm_id=swarm.id,
                    is_founded=self.view.is_founded,
                    known=(self.view.identity,) if self.view.is_founded else (),
                )
            )
        except DockerUnavailable:
            return world
        except Unavailable:
            return replace(world, has_leader=False, members=0)

    def look_at_keys(self, world: World) -> World:
        """What Consul knows of the Swarm, as far as it matters to this node now. Raises Unavailable."""
        if world.swarm_state == "active" and not self.is_manager:
            return world
        tokens = self.consul.below(names.KV_TOKENS)
        if world.swarm_state == "active":
            swarm = self.consul.get(names.KV_SWARM_ID)
            known = (*world.known, *([swarm.value] if swarm else []))
            return replace(world, known=known, published=bool(swarm) and tokens.keys() >= TOKENS)
        managers = tuple(
            entry["Service"]["Address"]
            for entry in self.consul.healthy(names.SERVICE_MANAGER)
            if entry["Service"]["Address"] != self.machine.address
        )
        token = tokens.get(TOKEN_OF_MANAGERS if self.is_manager else TOKEN_OF_WORKERS)
        return replace(world, token=token.value if token else None, managers=managers)

    def look_at_swarm(self) -> Swarm:
        """As this engine sees it. Raises DockerUnavailable.

        A manager that was in asks the leader first: what `docker info` says may come 20 s late.
        """
        self.engine = self.engine or Engine()
        self.impatient = self.impatient or Engine(timeout_s=SWARM_S)
        if self._swarm_node and self.is_manager:
            try:
                found = self.impatient.swarm_id()
                return Swarm("active", is_manager=True, error="", id=found, node=self._swarm_node)
            except TimedOut:
                note = "their leader does not answer"
                return Swarm("active", is_manager=False, error=note, id="", node=self._swarm_node)
            except DockerUnavailable:
                self._swarm_node = ""
        return self.engine.swarm()

    def listen(self) -> None:
        """Whether a function sees this node out."""
        mark = self.consul.get(f"{names.KV_LEAVING}{self.machine.name}")
        self.leaves = (joining.leaving_phase(mark.value) if mark else "") or self.leaves

    # -- act ------------------------------------------------------------------------------

    def act(self, action: joining.Action) -> None:
        """One idempotent step; raises Unavailable."""
        match action:
            case joining.FindPeers(reason):
                self.say(f"waits for {reason}")
                self.join_consul()
            case joining.Wait(reason, for_people):
                self.say(f"waits for {reason}")
                if for_people:
                    self.look_around(every_s=GROUND_AGAIN_S)
            case joining.FoundSwarm():
                self.found_swarm()
            case joining.JoinSwarm(managers, token):
                self.say(f"joins the Swarm through {', '.join(managers)}")
                self._engine.ensure_gateway_bridge()
                self._joins = True
                self._engine.join_swarm(self.machine.address, managers, token)
            case joining.EndJoin(reason):
                self.say(f"ends a join that failed: {reason}")
                self._was_half_in = True
                self._engine.end_join()
                self._joins = False
            case joining.Publish():
                self.publish()
            case joining.StopConsul():
                self.say("leaves the cluster")
                process.run(["systemctl", "stop", names.UNIT_CONSUL])
            case joining.Settled():
                self.settle()

    @property
    def _engine(self) -> Engine:
        if self.engine is None:
            raise DockerUnavailable("dockerd does not answer")
        return self.engine

    def join_consul(self) -> None:
        """Join every peer that answers and is no member yet; those that do not answer will join us.

        Side by side: one that drops what it is sent costs a time-out, and a lost zone has many of them. One
        after the other they outlast the watchdog, and nobody looks after this node meanwhile.
        """
        self.look_around()
        try:
            members = {member["Addr"] for member in self.consul.members() if member["Status"] == 1}
        except Unavailable:
            return  # our own does not answer: it would join nobody
        with ThreadPoolExecutor(MOST_JOINS) as side_by_side:
            for _ in side_by_side.map(self._join, [each for each in self.view.peers if each not in members]):
                alive()

    def _join(self, address: str) -> None:
        with contextlib.suppress(Unavailable):
            self.consul.join(address)

    def look_around(self, *, every_s: float = REDISCOVERY_S) -> None:
        """Peers and identity, asked of the ground at most so often."""
        if time.monotonic() - self._looked_s < every_s:
            return
        self._looked_s = time.monotonic()
        try:
            self.view = self.ask_ground()
        except UNANSWERED as exc:
            self.say(f"cannot find its peers: {exc}")

    def ask_ground(self, *, within_s: float = 60.0) -> CloudView:
        """Peers and identity as they are now. Raises what UNANSWERED lists."""
        asked = [sys.executable, "-m", "node.cloud", "look"]
        return CloudView.from_json(process.run(asked, timeout_s=within_s))

    def recall(self) -> None:
        """Begin with what swarmer-configure was told at this boot."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            self.view = CloudView.from_json(Path(names.CLOUD_VIEW).read_text())
            self._looked_s = time.monotonic()

    def found_swarm(self) -> None:
        """Found the Swarm under the lock, once: whoever comes second finds it published."""
        if time.monotonic() - self._unanswered_s < REDISCOVERY_S:
            return
        session = self.consul.create_session("swarm", ttl_s=LOCK_S, lock_delay_s=1)
        try:
            if not self.consul.acquire(names.KV_SWARM_LOCK, self.machine.name, session):
                self.say("waits for the Swarm to be founded")
                return
            if self.consul.get(names.KV_SWARM_ID) or not self.is_unfounded():
                return
            if not self.consul.renew_session(session):
                return
            self.say("founds the Swarm")
            self._engine.ensure_gateway_bridge()
            # From here on there may be one, whatever fails.
            self._founding = session
            self._engine.found_swarm(self.machine.address)
            self.publish()
            self._founding = ""
            self.consul.release(names.KV_SWARM_LOCK, self.machine.name, session)
        finally:
            if not self._founding:
                self.consul.destroy_session(session)

    def keep_lock(self, world: World) -> None:
        """Of a founder that could not publish yet: whoever came to the lock would found a second Swarm.

        Freed once it is published, or came to nothing; one whose dockerd is away loses it with its session.
        """
        if not self._founding or world.swarm_state is None:
            return
        if world.published or world.swarm_state == "inactive":
            session, self._founding = self._founding, ""
            self.consul.destroy_session(session)
        elif not self.consul.renew_session(self._founding):
            self._founding = ""

    def is_unfounded(self) -> bool:
        """Whether the ground says so, asked anew under the lock; no answer is no.

        Who held the lock before may have marked a Swarm and died before Consul knew of it.
        """
        try:
            self.view = self.ask_ground(within_s=GROUND_S)
        except UNANSWERED as exc:
            self._unanswered_s = time.monotonic()
            self.say(f"waits for its ground to say whether the cluster was founded: {exc}")
            return False
        return not self.view.is_founded

    def publish(self, *, within_s: float = GROUND_S) -> None:
        """Tell the others how to join. The tokens are secrets: they stand in Consul only.

        Raises Unavailable, DockerUnavailable; the latter also where Consul or the ground knows another Swarm.
        """
        self._takes_long()
        swarm_id = self._engine.swarm_id()
        known = {key: self.consul.get(key) for key in names.KV_SWARM}
        published = known[names.KV_SWARM_ID]
        if published and published.value != swarm_id:
            raise DockerUnavailable(f"Consul knows another Swarm, {published.value}")
        # Of a Swarm that nobody else is in yet: later it may have services, under which no network moves.
        is_new = not published and not self.view.is_founded and (bool(self._founding) or self.is_unfounded())
        if is_new and self._engine.ensure_ingress():
            self.say("moved the ingress network into its pool")
        if time.monotonic() - self._marked_s >= MARK_S or self.view.identity != swarm_id:
            self._takes_long()
            self.mark(swarm_id, within_s)
        worker, manager = self._engine.tokens()
        wanted = {names.KV_TOKEN_WORKER: worker, names.KV_TOKEN_MANAGER: manager, names.KV_SWARM_ID: swarm_id}
        for key, value in wanted.items():
            entry = known[key]
            if entry is None or entry.value != value:
                self.consul.put(key, value)

    def _takes_long(self) -> None:
        """Neither systemd's patience nor the founder's lock ends meanwhile; where it has the mark decides."""
        alive()
        if self._founding:
            self.consul.renew_session(self._founding)

    def mark(self, swarm_id: str, within_s: float) -> None:
        """Have the ground remember that this cluster exists; before anybody else can join it.

        Raises DockerUnavailable, also where the ground remembers another Swarm.
        """
        ends_s = time.monotonic() + within_s
        try:
            process.run([sys.executable, "-m", "node.cloud", "mark", swarm_id], timeout_s=within_s)
        except process.Failed as exc:
            # Which one it remembers is for the next decision.
            with contextlib.suppress(*UNANSWERED):
                self.view = self.ask_ground(within_s=max(0.0, ends_s - time.monotonic()))
            raise DockerUnavailable(f"the cluster's identity cannot be written: {exc}") from exc
        self._marked_s = time.monotonic()
        self.view = replace(self.view, identity=swarm_id)

    def settle(self) -> None:
        """What is left once the node is in."""
        if self.is_manager:
            if SWARM_WORKER not in self.machine.node.roles:
                self._engine.ensure_node(self._swarm_node, Availability="drain")
            # Else it is Swarm's to say: people drain a node that they work on.
            if self._was_half_in:
                self.forget_former_self()
            self.see_to_mark()
        self.say("ready")

    def forget_former_self(self) -> None:
        """What a join that was ended has left in the Swarm: a manager that is dead counts in raft."""
        for row in self._engine.nodes(name=self.machine.name):
            is_mine = row["Description"]["Hostname"] == self.machine.name and row["ID"] != self._swarm_node
            if is_mine and row["Status"]["State"] != "ready":
                self._engine.ensure_demoted(row["ID"])
                self._engine.ensure_no_node(row["ID"])
        self._was_half_in = False

    def see_to_mark(self) -> None:
        """And to the tokens. What is wrong is said; this node does its work all the same."""
        if time.monotonic() - self._saw_to_s < TOKENS_S or not self._leads():
            return
        self._saw_to_s = time.monotonic()
        try:
            self.publish(within_s=MARKS_WITHIN_S)
        except DockerUnavailable as exc:
            self.say(str(exc))

    def declare_docker(self, world: World) -> None:
        """The Docker API of this manager in Consul: one of all that control their Swarm, and its leader's."""
        declared = {service.id for service in self.consul.services()}
        controls = world.is_manager and not world.other_swarm
        note = "controls its Swarm" if controls else (world.swarm_error or "no manager of this cluster now")
        self._declare(names.SERVICE_MANAGER, declared, passing=controls, note=note)
        if controls and self._leads():
            self._declare(names.SERVICE_DOCKER, declared, passing=True, note="leads its Swarm")
        elif names.SERVICE_DOCKER in declared:
            self.consul.deregister(names.SERVICE_DOCKER)

    def _leads(self) -> bool:
        return (self.impatient or self._engine).is_leader(self._swarm_node)

    def _declare(self, name: str, declared: Container[str], *, passing: bool, note: str) -> None:
        if name not in declared:
            mine = Service(id=name, name=name, address=self.machine.address, port=names.DOCKER_PORT)
            self.consul.register(mine, {"ttl": DOCKER_TTL, "status": "critical"})
        self.consul.confirm(name, passing=passing, note=note)


def main() -> None:
    """Entry point of swarmer-agent.service."""
    agent = Agent(read())
    agent.recall()
    agent.run()


if __name__ == "__main__":
    main()
