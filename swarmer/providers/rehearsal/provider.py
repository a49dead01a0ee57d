"""A cluster of the rehearsal on this machine: the code for AWS, with another endpoint."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import ClassVar

from swarmer.adapters.operator import of_this_machine
from swarmer.core.health import Expected
from swarmer.local import engine, node_containers
from swarmer.local.environment import Environment
from swarmer.providers.aws.provider import AwsProvider


class RehearsalProvider(AwsProvider):
    """Cluster on the simulated AWS of this machine."""

    name: ClassVar[str] = "rehearsal"

    def __init__(self, env: Environment) -> None:
        super().__init__(env.cluster, of_this_machine(env.aws_url, env.region))
        self._env = env

    @cached_property
    def place(self) -> str:
        """This machine, with the port of its AWS."""
        return f"the rehearsal on this machine, {self._env.aws_url}"

    def nodes(self) -> list[Expected]:
        """List the nodes. EC2 does not notice a power cut, so the machines themselves show it."""
        up = node_containers.running(self._env)
        return [replace(node, runs=node.runs and node.name in up) for node in super().nodes()]

    def session(self, node: Expected, argv: Sequence[str] = ()) -> int:
        """Connect the terminal with the node's container, because AWS's data channel is not simulated."""
        flags = "-it" if sys.stdin.isatty() and sys.stdout.isatty() else "-i"
        container = node_containers.container_name(self._env, node.name)
        command = ["docker", "exec", flags, container, *(argv or ("bash",))]
        return subprocess.run(command, env=engine.docker_environment(), check=False).returncode

    def _silence(self) -> str:
        return "AWS on this machine does not answer: `swarmer up` starts it"
