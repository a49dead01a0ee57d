"""Controller of the instances' machines: it gives each running instance a machine, and removes the machine of
a terminated one, while AWS runs here.

The rehearsal's daemon (daemon.py) manages the cluster in FILE; `swarmer up` writes that file.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from swarmer.adapters import process
from swarmer.adapters.operator import group_instance
from swarmer.core import description
from swarmer.core.node import CONSUL_SERVER
from swarmer.fakeaws.ec2.states import LIVING
from swarmer.local import engine, environment, node_containers
from swarmer.local.console import CONTROL
from swarmer.local.environment import Environment
from swarmer.local.node_containers import Node
from swarmer.providers.rehearsal.packet_filters import PacketFilters

log: Final = logging.getLogger("swarmer.rehearsal")

OBSERVATION_INTERVAL_S: Final = 5.0
"""Interval between observations without a reported change, in seconds."""
PARALLEL_STARTS: Final = 4
"""Maximum number of machines that start at the same time."""
CONSOLE_LINES: Final = 500
"""Number of last lines of a console."""
KEPT_CONSOLES: Final = 50
"""Number of removed machines whose consoles are kept."""
SHUTDOWN_S: Final = 30
"""Time for a machine to shut down before it loses its power, in seconds. On AWS it is minutes."""
REBOOT_TIMEOUT_S: Final = 180.0
"""Timeout for the reboot of a machine, in seconds."""
FILE: Final = "ground.json"
"""Name of the file for the daemon. It must stay the same, because a daemon of an older release reads it."""


def write(env: Environment, image: str, apart_s: float = 0.0) -> Path:
    """Write the daemon's facts about the cluster. `apart_s`: seconds between the starts of two machines."""
    path = env.state / FILE
    draft = path.with_suffix(".new")
    facts = {"servers": str(env.servers), "aws_port": env.aws_port, "image": image, "apart_s": apart_s}
    draft.write_text(json.dumps(facts))
    draft.replace(path)
    return path


def read(path: Path) -> tuple[Environment, str, float]:
    """Read the last written cluster, node image and `apart_s`."""
    facts = json.loads(path.read_text())
    servers = Path(facts["servers"])
    env = Environment(cluster=description.load(servers), servers=servers, aws_port=facts["aws_port"])
    return env, facts["image"], facts["apart_s"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Changes, as IDs of instances."""

    create: tuple[str, ...] = ()
    power_off: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()


def plan(states: Mapping[str, str], machines: Mapping[str, bool]) -> Plan:
    """Plan the changes. `states`: EC2's state of each instance; `machines`: whether its machine runs.

    A machine without power stays off, because the operator's fault injection must last. A machine whose
    instance is unknown to this AWS is left alone, because only EC2's report of the termination is a proof.
    """
    return Plan(
        create=tuple(each for each, state in states.items() if state in LIVING and each not in machines),
        power_off=tuple(each for each, runs in machines.items() if runs and states.get(each) == "stopped"),
        remove=tuple(each for each in machines if states.get(each) == "terminated"),
    )


class Machines:
    """Thread of the daemon. `describe` returns instances: DescribeInstances' entries and user-data."""

    def __init__(
        self,
        path: Path,
        describe: Callable[[str], Iterable[tuple[dict[str, Any], str]]],
        filters: PacketFilters,
    ) -> None:
        self._path = path
        self._describe = describe
        self._filters = filters
        self._ended_consoles: dict[str, str] = {}
        self._changed = threading.Event()
        self._ends = False
        self._thread = threading.Thread(target=self._run, daemon=True, name="machines")

    def start(self) -> None:
        self._thread.start()

    def notify(self) -> None:
        """Report a change of instances or security groups."""
        self._changed.set()

    def stop(self) -> None:
        self._ends = True
        self.notify()
        self._thread.join()

    def _run(self) -> None:
        while not self._ends:
            self._changed.wait(OBSERVATION_INTERVAL_S)
            self._changed.clear()
            if self._ends:
                return
            try:
                self.ensure()
            except Exception:
                # The loop continues after any error, because without it no machine would boot any more.
                log.exception("machines")

    def console(self, instance_id: str) -> str:
        """Console output of the instance's machine. Like on EC2 it remains for a while after the end."""
        if instance_id in self._ended_consoles:
            return self._ended_consoles[instance_id]
        found = engine.containers(**{environment.LABEL_INSTANCE: instance_id})
        return read_console(found[0].id) if found else ""

    def reboot(self, instance_id: str) -> None:
        """Reboot the instance's machine in the background. A machine without power is powered on."""
        threading.Thread(target=reboot, args=(instance_id,), daemon=True).start()

    def ensure(self) -> bool:
        """Observe once and act; return whether anything was done."""
        env, image, apart_s = read(self._path)
        described = (group_instance(each, data) for each, data in self._describe(env.cluster.name))
        found = {each.id: each for each in described}
        # Before its machine starts, a new instance has its filter and the other filters admit it.
        self._filters.write(env)
        machines = node_containers.containers(env)
        self._filters.load(env, machines)
        held = {
            each.labels[environment.LABEL_INSTANCE]: (each.labels[environment.LABEL_NODE], each.is_running)
            for each in machines
        }
        wanted = plan(
            {name: each.state for name, each in found.items()},
            {name: runs for name, (_, runs) in held.items()},
        )
        boot(
            env,
            [node_containers.from_instance(found[name], runs=True) for name in wanted.create],
            image,
            apart_s,
        )
        for name in wanted.power_off:
            engine.docker("kill", node_containers.container_name(env, held[name][0]))
        for name in wanted.remove:
            self._ended_consoles[name] = read_console(node_containers.container_name(env, held[name][0]))
        for name in list(self._ended_consoles)[:-KEPT_CONSOLES]:
            del self._ended_consoles[name]
        remove(env, [held[name][0] for name in wanted.remove])
        return wanted != Plan()


def reboot(instance_id: str) -> None:
    """Shut the instance's machine down, by force after SHUTDOWN_S, and start it."""
    for each in engine.containers(**{environment.LABEL_INSTANCE: instance_id}):
        try:
            engine.docker("restart", "-t", str(SHUTDOWN_S), each.id, timeout_s=REBOOT_TIMEOUT_S)
        except process.Failed as exc:
            log.warning("%s could not be rebooted: %s", each.name, exc)


def read_console(container: str) -> str:
    """Read the last lines of a console, without control sequences that only move a cursor."""
    try:
        return CONTROL.sub("", engine.docker("logs", "--tail", str(CONSOLE_LINES), container))
    except process.Failed:
        return ""


def boot(env: Environment, new: Collection[Node], image: str, apart_s: float) -> None:
    """Boot a machine for each node, all at once or `apart_s` seconds apart, the servers last."""

    def one(node: Node) -> None:
        node_containers.ensure_created(env, node, image)
        node_containers.start(env, node)
        time.sleep(apart_s)

    if new:
        with ThreadPoolExecutor(max_workers=1 if apart_s else PARALLEL_STARTS) as pool:
            in_order = sorted(new, key=lambda node: CONSUL_SERVER in node.expected.roles)
            for done in [pool.submit(one, node) for node in in_order]:
                try:
                    done.result()
                except process.Failed as exc:
                    log.warning("a machine could not be started: %s", exc)


def remove(env: Environment, names: Collection[str]) -> None:
    """Remove the nodes: power off and delete the disks."""
    if names:
        engine.docker("rm", "-f", "-v", *(node_containers.container_name(env, name) for name in names))
