"""The command `swarmer` as an operator types it, with its output on the terminal and in a private log."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from swarmer.local import environment

SWARMER: Final = str(environment.ROOT / ".venv/bin/swarmer")
SHOWN: Final = ".venv/bin/swarmer"
"""The command in words for a person, who types in the checkout."""
END_TIMEOUT_S: Final = 60.0
"""Timeout for an interrupted command to end, in seconds; after it the command is killed."""
LINES: Final = 25
"""Number of last lines of a failed command that the report has."""


class Failed(Exception):
    """A step did not keep its promise; the text says what happened. `log`: last lines of its command."""

    def __init__(self, text: str, log: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.log = tuple(log)


@dataclass(frozen=True, kw_only=True)
class Done:
    """A command that ended."""

    status: int
    out: str
    error: str

    @property
    def lines(self) -> list[str]:
        """Last lines of both outputs."""
        return [*self.out.splitlines(), *self.error.splitlines()][-LINES:]


@dataclass(frozen=True, kw_only=True)
class Swarmer:
    """`swarmer` for one description and one AWS."""

    servers: Path
    variables: Mapping[str, str]
    """Whole environment: credentials, region and endpoint are the usual variables of AWS's SDKs."""
    log: Path
    """File with the output of every command. It has addresses and IDs."""
    program: str = SWARMER

    def words(self, verb: str, *argv: str) -> list[str]:
        """Words after the program."""
        on = () if verb in ("doctor", "up", "down", "validate") else ("--on", "aws")
        return [verb, "-f", str(self.servers), *on, *argv]

    def shown(self, verb: str, *argv: str) -> str:
        """The command as a person types it in the checkout."""
        path = self.servers
        if path.is_relative_to(environment.ROOT):
            path = path.relative_to(environment.ROOT)
        words = [str(path) if word == str(self.servers) else word for word in self.words(verb, *argv)]
        return " ".join([SHOWN, *words])

    def run(self, verb: str, *argv: str, timeout_s: float = 120, echo: bool = False) -> Done:
        """Run a command to its end. `echo`: whether its output goes to the terminal, too.

        Raises Failed if it takes too long. An interruption ends the command first.
        """
        command = [self.program, *self.words(verb, *argv)]
        with self.log.open("a") as log:
            log.write(f"$ {' '.join(command)}\n")
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=dict(self.variables),
            cwd=environment.ROOT,
            # Ctrl-C reaches the smoke test alone, which then ends the command in order.
            start_new_session=True,
        ) as running:
            try:
                outputs = [_Copier(each, self.log, echo) for each in (running.stdout, running.stderr)]
                if not _ends(running, timeout_s):
                    _end(running)
                    words = f"swarmer {verb} did not end within {timeout_s:.0f} s"
                    raise Failed(words, outputs[0].last(outputs[1]))
                # Before the end of the block, which closes both outputs.
                out, error = (each.text() for each in outputs)
            except BaseException:
                _end(running)
                raise
        return Done(status=running.returncode, out=out, error=error)

    def check(self, verb: str, *argv: str, timeout_s: float = 120, echo: bool = False) -> str:
        """Standard output of a command that succeeds. Raises Failed with its last line."""
        done = self.run(verb, *argv, timeout_s=timeout_s, echo=echo)
        if done.status:
            words = (done.error.strip() or done.out.strip()).splitlines()
            raise Failed(f"swarmer {verb} ended with {done.status}: {words[-1] if words else ''}", done.lines)
        return done.out

    def json(self, verb: str, *argv: str, timeout_s: float = 120) -> Any:
        """Value that a command prints with `--json`, whatever its exit status. Raises Failed."""
        done = self.run(verb, "--json", *argv, timeout_s=timeout_s)
        try:
            return json.loads(done.out)
        except ValueError as exc:
            words = done.error.strip().splitlines()
            raise Failed(f"swarmer {verb}: {words[-1] if words else 'no answer'}", done.lines) from exc


class _Copier(threading.Thread):
    """Thread that reads one output of a command, line by line."""

    def __init__(self, stream: Any, log: Path, echo: bool) -> None:
        super().__init__(daemon=True)
        self._stream, self._log, self._echo = stream, log, echo
        self._lines: list[str] = []
        self.start()

    def run(self) -> None:
        """Copy until the end of the output."""
        with self._log.open("a") as log:
            for line in self._stream:
                self._lines.append(line)
                log.write(line)
                log.flush()
                if self._echo:
                    print(f"    {line.rstrip()}", flush=True)  # noqa: T201 - the program's output

    def text(self) -> str:
        """The whole output, after its end."""
        self.join(END_TIMEOUT_S)
        return "".join(self._lines)

    def last(self, other: _Copier) -> list[str]:
        """Last lines of two outputs."""
        return [*self.text().splitlines(), *other.text().splitlines()][-LINES:]


def _ends(running: subprocess.Popen[str], within_s: float) -> bool:
    """Whether a command ends in this time."""
    try:
        running.wait(within_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def _end(running: subprocess.Popen[str]) -> None:
    """End a command as Ctrl-C does; kill it if it does not end."""
    running.send_signal(signal.SIGINT)
    if not _ends(running, END_TIMEOUT_S):
        running.kill()
