"""Declares the published ports of every running container of this node in Consul.

Level-triggered: each event, and a clock, lead to one comparison of what runs with what is declared.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from node.machine import read, say
from swarmer.adapters.consul import Consul
from swarmer.adapters.consul import Unavailable as ConsulUnavailable
from swarmer.adapters.docker import Engine, Unavailable
from swarmer.core import registration
from swarmer.core.configuration import Machine

RESYNC_S = 60.0
RETRY_S = 2.0


@dataclass
class Registrator:
    """One loop compares, one thread listens."""

    machine: Machine
    consul: Consul = field(default_factory=Consul)
    changed: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """For ever."""
        threading.Thread(target=self.listen, daemon=True).start()
        while True:
            self.changed.clear()
            try:
                self.synchronise(Engine())
                self.changed.wait(RESYNC_S)
            except (Unavailable, ConsulUnavailable):
                time.sleep(RETRY_S)

    def listen(self) -> None:
        """Wake the loop at every start and end of a container, and after each break."""
        while True:
            try:
                for _ in Engine(timeout_s=RESYNC_S).container_events():
                    self.changed.set()
            except Unavailable as exc:
                say(f"registrator: no events: {exc}")
            # Also where the engine just ended the stream.
            time.sleep(RETRY_S)
            self.changed.set()

    def synchronise(self, engine: Engine) -> None:
        """Declare what is missing or different, remove what this node declared and is gone."""
        wanted = [
            service
            for container in engine.containers()
            for service in registration.services(
                container, hostname=self.machine.name, address=self.machine.address
            )
        ]
        changes = registration.compare(wanted, self.consul.services(), hostname=self.machine.name)
        for service in changes.declare:
            self.consul.register(service)
            say(f"registrator: {service.name} is {service.address}:{service.port}")
        for service_id in changes.remove:
            self.consul.deregister(service_id)


def main() -> None:
    """Entry point of swarmer-registrator.service."""
    Registrator(read()).run()


if __name__ == "__main__":
    main()
