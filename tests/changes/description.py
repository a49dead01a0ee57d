"""A cluster whose servers.yml a test writes, and deploys, as often as it likes."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from swarmer.cli.common import load
from swarmer.core import names
from swarmer.core.health import Expected
from swarmer.core.node import SWARM_MANAGER
from swarmer.local.environment import Environment
from swarmer.providers.rehearsal.provider import RehearsalProvider
from tests.rehearsal.conftest import swarmer

EVERYTHING = ["consul-server", "swarm-manager", "swarm-worker"]
AGREES_S = 420.0
Groups = dict[str, dict[str, Any]]


class Described:
    """One cluster, by its description; `more`: sections of servers.yml beside its groups."""

    def __init__(self, path: Path, groups: Groups, **more: Any) -> None:
        self.path = path
        self.groups = groups
        self.more = more

    @property
    def env(self) -> Environment:
        return load(str(self.path))

    # -- what a person does ---------------------------------------------------------------------

    def become(self, **groups: dict[str, Any] | None) -> None:
        """Change groups (None: without it), deploy, and wait until it is so."""
        self.groups = {name: each for name, each in (self.groups | groups).items() if each}
        self.write()
        done = self.swarmer("up")
        assert done.returncode == 0, done.stdout + done.stderr
        wanted = {name: each["size"] for name, each in self.groups.items()}
        deadline_s = time.monotonic() + AGREES_S
        while (sizes := self.sizes()) != wanted or self.swarmer("status").returncode:
            assert time.monotonic() < deadline_s, (sizes, self.swarmer("status").stderr)
            time.sleep(1)

    def write(self) -> None:
        self.path.write_text(yaml.safe_dump({**self.more, "groups": self.groups}))

    def swarmer(self, verb: str, *argv: str) -> subprocess.CompletedProcess[str]:
        return swarmer(verb, "-f", str(self.path), *argv, timeout_s=600)

    def docker(self, *argv: str, stdin: bytes = b"") -> str:
        """Against a manager."""
        manager = next(each for each in self.nodes() if SWARM_MANAGER in each.roles)
        return docker("-H", f"tcp://{manager.address}:{names.DOCKER_PORT}", *argv, stdin=stdin).decode()

    def push(self, image: str) -> str:
        """The probe, under this name; the name by which it can be pulled."""
        tag = f"{names.registry_name(self.env.cluster.domain)}/{image}"
        self.docker("load", stdin=docker("save", "swarmer/probe"))
        self.docker("tag", "swarmer/probe", tag)
        self.docker("push", tag)
        return tag

    # -- what is to be seen ---------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.swarmer("status", "--json").stdout)
        return found

    def nodes(self) -> list[Expected]:
        """Nodes as AWS knows them, whatever release runs on them."""
        return RehearsalProvider(self.env).nodes()

    def sizes(self) -> dict[str, int]:
        """How many nodes of each group there are."""
        found: dict[str, int] = {}
        for node in self.nodes():
            found[node.group] = found.get(node.group, 0) + 1
        return found

    def told(self, *functions: str) -> list[dict[str, Any]]:
        """Log entries of the functions with these suffixes, in order. Their log groups go with the stacks.

        The rehearsal's own log outlives them.
        """
        with urllib.request.urlopen(f"{self.env.aws_url}/swarmer/events?after=0", timeout=30) as answer:
            entries = [each for each in json.load(answer) if each["kind"] == "log"]
        own = [each["what"] for each in entries if each["source"].endswith(functions)]
        return [json.loads(line) for line in own if line.startswith("{")]

    def bucket(self) -> tuple[str, list[tuple[str, int]]]:
        """The registry's: its name, and key and size of everything in it."""
        return RehearsalProvider(self.env).registry_objects()


def docker(*argv: str, stdin: bytes = b"") -> bytes:
    """This machine's engine, but for `-H`."""
    done = subprocess.run(["docker", *argv], input=stdin, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout
