"""docker-registry as a process behind the proxy, started again for each lease."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Final

from node.machine import log
from swarmer.adapters import http
from swarmer.core import names

COMMAND: Final = ("/usr/bin/docker-registry", "serve", "/etc/swarmer/registry.yml")
"""Command line of docker-registry."""


@dataclass
class DockerRegistry:
    """Handle of at most one docker-registry process."""

    process: subprocess.Popen[bytes] | None = None
    _asked: http.Connection = field(
        default_factory=lambda: http.Connection(http.Address(path=names.REGISTRY_SOCKET))
    )

    def start(self, node: str, lease: int, secret: str) -> None:
        """Start the process. Each of its answers carries `node` and `lease`; `secret` signs the state of
        uploads.

        A failure is logged.
        """
        environment = {
            name: value for name, value in os.environ.items() if name.startswith(("AWS_", "PATH"))
        } | {
            "REGISTRY_HTTP_HEADERS": f"{{{names.HEADER_NODE}: [{node}], {names.HEADER_LEASE}: ['{lease}']}}",
            "REGISTRY_HTTP_SECRET": secret,
        }
        # docker-registry panics if this variable is set.
        environment.pop("AWS_CA_BUNDLE", None)
        Path(names.REGISTRY_SOCKET).unlink(missing_ok=True)
        try:
            self.process = subprocess.Popen(COMMAND, env=environment)
        except OSError as exc:
            log(f"registry: {exc}")

    @property
    def runs(self) -> bool:
        """Whether the process was started and has not ended."""
        return self.process is not None and self.process.poll() is None

    def answers(self, *, timeout_s: float) -> bool:
        """Whether the process answers on its own socket."""
        self._asked.timeout_s = timeout_s
        try:
            return self._asked.request("GET", "/v2/").status == HTTPStatus.OK
        except http.Unavailable:
            return False

    def end(self) -> bool:
        """Kill the process immediately; False if there was none."""
        process, self.process = self.process, None
        if process is None:
            return False
        process.kill()
        process.wait()
        return True
