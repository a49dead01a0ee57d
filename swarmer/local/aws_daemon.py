"""State of the daemon that simulates AWS on this machine: its process and its port."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from typing import Final

from swarmer.core.errors import UserError
from swarmer.local import host
from swarmer.local.environment import Environment

COMMAND: Final = "swarmer.providers.rehearsal.daemon"
"""Module that Python runs as the daemon."""
COMMANDS: Final = (COMMAND, "rehearsal.aws")
"""Words of its command line. The second is the module of version 0.1, because such a daemon may still run."""
READY_FILE: Final = "aws.ready"
PORTS: Final = 50
"""Number of ports to try, beginning with the first."""


def daemon_pid(env: Environment) -> int | None:
    """Process ID of this cluster's running daemon; None if none runs."""
    path = env.state / "aws.pid"
    if not path.exists():
        return None
    pid = int(path.read_text())
    return pid if any(host.is_running(pid, each) for each in COMMANDS) else None


def remembered_port(env: Environment) -> int | None:
    """Port of this cluster's running daemon, because the daemon keeps its port; None if none runs."""
    ready = env.state / READY_FILE
    if not daemon_pid(env) or not ready.exists():
        return None
    return int(json.loads(ready.read_text())["url"].rpartition(":")[2])


def with_free_port(env: Environment) -> Environment:
    """Copy of `env` with the next free port for its AWS, because another cluster may use the first.

    Raises UserError if the operator named a port that is taken.
    """
    if daemon_pid(env) or _is_free(env.aws_port):
        return env
    free = next((port for port in range(env.aws_port + 1, env.aws_port + PORTS) if _is_free(port)), None)
    if env.is_port_named or free is None:
        raise UserError(
            f"port {env.aws_port} on 127.0.0.1 is taken: end what listens there, or take another: "
            f"swarmer up --aws-port {free or env.aws_port + PORTS}"
        )
    return replace(env, aws_port=free)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
