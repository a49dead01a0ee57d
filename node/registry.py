"""Serves the registry while this node holds its lock; decisions in swarmer/core/election.py."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field

from node.machine import read, say
from swarmer.adapters.consul import Consul, Unavailable
from swarmer.core import election, names
from swarmer.core.configuration import Machine
from swarmer.core.election import Tenure
from swarmer.core.registration import Service

COMMAND = ("/usr/bin/docker-registry", "serve", "/etc/swarmer/registry.yml")
START_S = 10.0
"""A registry that does not answer by then gives up its lock: another node may do better."""
CHECK = {"interval": "2s", "timeout": "2s", "status": "passing"}


@dataclass
class Candidate:
    """One eligible node."""

    machine: Machine
    consul: Consul = field(default_factory=lambda: Consul(timeout_s=election.FENCE_S / 2))
    session: str | None = None
    process: subprocess.Popen[bytes] | None = None
    _confirmed_s: float = 0.0

    def run(self) -> None:
        """For ever; ends with the registry stopped and the lock free."""
        try:
            while True:
                with contextlib.suppress(Unavailable):
                    self.confirm()
                self.act(election.decide(self.gather()))
                time.sleep(election.RENEW_S)
        finally:
            self.step_down("the service ends")

    def confirm(self) -> None:
        """Have Consul confirm the session, or make one. The clock is read before the question."""
        asked_s = time.monotonic()
        if self.session and not self.consul.renew_session(self.session):
            self.session = None
        if not self.session:
            self.session = self.consul.create_session(
                names.SERVICE_REGISTRY, ttl_s=election.TTL_S, lock_delay_s=election.LOCK_DELAY_S
            )
        self._confirmed_s = asked_s

    def gather(self) -> Tenure:
        """The lock as Consul shows it; unknown counts as held while the last lease is fresh."""
        renewed_s = time.monotonic() - self._confirmed_s
        serving = self.process is not None and self.process.poll() is None
        try:
            lock = self.consul.get(names.KV_REGISTRY_LOCK)
        except Unavailable:
            return Tenure(holds=serving, renewed_s=renewed_s, serving=serving, free=False)
        holder = lock.session if lock else None
        return Tenure(
            holds=holder is not None and holder == self.session,
            renewed_s=renewed_s,
            serving=serving,
            free=holder is None,
        )

    def act(self, action: election.Action) -> None:
        """One step; what Consul refuses now is tried again in the next pass."""
        try:
            match action:
                case election.Acquire():
                    if self.session and self.consul.acquire(
                        names.KV_REGISTRY_LOCK, self.machine.name, self.session
                    ):
                        self.serve()
                case election.Serve():
                    self.serve()
                case election.Stop(reason):
                    self.stop(reason)
                case election.Stay():
                    pass
        except Unavailable as exc:
            say(f"registry: will try again: {exc}")

    def serve(self) -> None:
        """Start the registry, wait until it answers, declare it."""
        environment = {key: value for key, value in os.environ.items() if key.startswith(("AWS_", "PATH"))}
        # docker-registry panics where this is set.
        environment.pop("AWS_CA_BUNDLE", None)
        self.process = subprocess.Popen(COMMAND, env=environment)
        if not self.answers(START_S):
            self.step_down("it does not answer")
            return
        address, port = self.machine.address, names.REGISTRY_PORT
        mine = Service(id=names.SERVICE_REGISTRY, name=names.SERVICE_REGISTRY, address=address, port=port)
        self.consul.register(mine, {**CHECK, "http": f"http://{address}:{port}/v2/"})
        say("serves the registry")

    def answers(self, within_s: float) -> bool:
        """Whether the registry answers in time; renews the lease while it waits."""
        deadline_s = time.monotonic() + within_s
        while time.monotonic() < deadline_s and self.process and self.process.poll() is None:
            with contextlib.suppress(urllib.error.URLError, OSError):
                url = f"http://{self.machine.address}:{names.REGISTRY_PORT}/v2/"
                with urllib.request.urlopen(url, timeout=1):
                    return True
            with contextlib.suppress(Unavailable):
                self.confirm()
            time.sleep(0.1)
        return False

    def stop(self, reason: str) -> None:
        """End the registry's process, by force after STOP_S, then take its name back."""
        if self.process:
            say(f"stops the registry: {reason}")
            self.process.terminate()
            try:
                self.process.wait(election.STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None
        self.consul.deregister(names.SERVICE_REGISTRY)

    def step_down(self, reason: str) -> None:
        """Stop, and free the lock for another."""
        with contextlib.suppress(Unavailable):
            self.stop(reason)
        if self.session:
            with contextlib.suppress(Unavailable):
                self.consul.destroy_session(self.session)
            self.session = None


def main() -> None:
    """Entry point of swarmer-registry.service."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    Candidate(read()).run()


if __name__ == "__main__":
    main()
