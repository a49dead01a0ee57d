"""A made-up machine: a root of its own, and commands that say what a test wants."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from swarmer.local import environment

SCRIPT = environment.ROOT / "setup.sh"
ADDRESSES = ("10.42.1.4", "10.42.1.68", "10.42.1.132", "10.42.1.196")


@dataclass
class Machine:
    root: Path

    def write(self, path: str, text: str) -> Path:
        """A file of this machine."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def command(self, name: str, script: str = "") -> None:
        """Puts a command first on PATH."""
        file = self.root.parent / "bin" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    @contextmanager
    def daemon(self, on_hangup: str) -> Iterator[int]:
        """A process that does this when it gets SIGHUP; its id."""
        script = f"trap '{on_hangup}' HUP; echo ready; while :; do sleep 0.05; done"
        # Below nohup SIGHUP is ignored, and no shell traps what it was told to ignore.
        argv = ["env", "--default-signal=HUP", "sh", "-c", script]
        with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            yield process.pid
            process.kill()

    def setup(
        self, *argv: str, env: dict[str, str] | None = None, script: Path = SCRIPT
    ) -> subprocess.CompletedProcess[str]:
        """Runs setup.sh on it. `script`: a copy, in a checkout where nothing is set up."""
        path = f"{self.root.parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            [script, *argv],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "PATH": path, "SWARMER_SETUP_ROOT": str(self.root), **(env or {})},
        )

    def bytes(self) -> dict[str, tuple[int, bytes]]:
        """Mode and content of every file, and that of folders."""
        return {
            str(path.relative_to(self.root)): (
                path.stat().st_mode,
                path.read_bytes() if path.is_file() else b"",
            )
            for path in sorted(self.root.rglob("*"))
        }
