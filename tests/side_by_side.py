"""Runs commands at the same time and prefixes each line that they print: `make test` runs its parts so.

    python -m tests.side_by_side NAME=COMMAND …

Exit status: 0 if every command succeeded, else 1. At the end each part has a line with its result and its
seconds.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

OUTPUT = threading.Lock()


@dataclass
class Part:
    """One command, its output and its end."""

    name: str
    command: str
    width: int
    status: int | None = None
    took_s: float = 0.0
    last: str = ""
    """The last line that it printed: of pytest, the summary."""
    _thread: threading.Thread = field(init=False)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        began_s = time.monotonic()
        argv = ["bash", "-c", self.command]
        with subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True
        ) as running:
            for line in running.stdout or ():
                self._show(line.rstrip())
        self.status, self.took_s = running.returncode, time.monotonic() - began_s

    def _show(self, line: str) -> None:
        self.last = line or self.last
        with OUTPUT:
            print(f"{self.name:<{self.width}} | {line}", flush=True)  # noqa: T201 - the program's output

    def succeeded(self) -> bool:
        """Waits for the end."""
        self._thread.join()
        return self.status == 0


def main(arguments: Sequence[str]) -> int:
    named = [argument.partition("=")[::2] for argument in arguments]
    width = max(len(name) for name, _ in named)
    parts = [Part(name, command, width) for name, command in named]
    for part in parts:
        part.start()
    results = [part.succeeded() for part in parts]
    for part, succeeded in zip(parts, results, strict=True):
        result = "passed" if succeeded else f"failed with exit status {part.status}"
        print(f"{part.name:<{width}} {result} in {part.took_s:.0f} s: {part.last}")  # noqa: T201
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
