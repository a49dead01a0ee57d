"""Serial console of the virtual machine."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from swarmer.local.console import CONTROL, MESSAGE
from swarmer.local.node_image import Progress

PANIC = "Kernel panic"


@dataclass
class SerialConsole:
    """Console that a thread follows. `log` contains every line."""

    log: Path
    progress: Progress
    boots: int = 0
    """Number of ready messages, one per boot."""
    dead_reason: str = ""
    """Reason why the machine is dead; empty while it is alive."""
    last: deque[str] = field(default_factory=lambda: deque(maxlen=30))

    def follow(self, stream: IO[bytes]) -> threading.Thread:
        """Read `stream` to its end."""
        thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        thread.start()
        return thread

    def _read(self, stream: IO[bytes]) -> None:
        began_s = time.monotonic()
        with self.log.open("a", buffering=1) as log:
            for raw in stream:
                line = CONTROL.sub("", raw.decode(errors="replace")).rstrip()
                log.write(f"{time.monotonic() - began_s:7.1f} {line}\n")
                self.handle_line(line)
        self.dead_reason = self.dead_reason or "its machine stopped"

    def handle_line(self, line: str) -> None:
        """Process one line."""
        if line:
            self.last.append(line)
        if PANIC in line:
            self.dead_reason = line
        if not (message := MESSAGE.search(line)):
            return
        self.progress(message["text"])
        if message["text"].startswith("dead: "):
            self.dead_reason = message["text"].removeprefix("dead: ")
        elif message["text"] == "ready":
            self.boots += 1
