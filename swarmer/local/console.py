"""Consoles of booting nodes: a source of progress without cost for the nodes."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections import deque
from dataclasses import dataclass, field

from swarmer.local import engine
from swarmer.local.environment import Environment
from swarmer.local.node_containers import container_name

MESSAGE = re.compile(r"swarmer: (?P<text>.*)$")
"""Pattern of a node program's message on the console."""
CONTROL = re.compile(r"\x1b\[[0-9;:?]*[A-Za-z]|\r")
"""Pattern of control sequences that only move a cursor or set colours."""


@dataclass
class Console:
    """Console of one node, followed from `since` (RFC 3339) on."""

    env: Environment
    node: str
    since: str
    phase: str = "boots"
    is_ready: bool = False
    dead_reason: str = ""
    """Reason why the node is dead; empty while it is alive."""
    ready_s: float | None = None
    """Monotonic time at which the node reported ready; None before."""
    last: deque[str] = field(default_factory=lambda: deque(maxlen=20))
    _process: subprocess.Popen[str] | None = None

    def follow(self) -> None:
        """Read the console in its own thread until `close` or the end of the container."""
        name = container_name(self.env, self.node)
        self._process = engine.stream("logs", "-f", "--since", self.since, name)
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            self.handle_line(CONTROL.sub("", line).rstrip())
        if self._process is not None and not self.dead_reason:
            self.dead_reason = "its machine stopped"

    def handle_line(self, line: str) -> None:
        """Process one line."""
        if line:
            self.last.append(line)
        if not (message := MESSAGE.search(line)):
            return
        text = message["text"]
        if text.startswith("dead: "):
            self.dead_reason = text.removeprefix("dead: ")
        elif text == "ready":
            self.is_ready, self.ready_s = True, time.monotonic()
        if not text.startswith(("registrator:", "serves")):
            self.phase = text

    def close(self) -> None:
        """Stop reading."""
        process, self._process = self._process, None
        if process:
            process.kill()
            process.wait()
