"""Screens of a terminal while a command runs: real output with its times."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

import pyte

COLUMNS: Final = 110
ROWS: Final = 28
INTERVAL_S: Final = 0.5
"""Interval between two screens, in seconds."""


@dataclass(frozen=True)
class Run:
    """Characters of one line that look alike."""

    column: int
    text: str
    colour: str
    """Name of one of the terminal's colours; `default` for the usual one."""
    is_bold: bool


Line = tuple[Run, ...]


@dataclass(frozen=True)
class Screen:
    at_s: float
    """Seconds since the command began."""
    lines: tuple[Line, ...]


class Failed(Exception):
    """The command ended with an exit status other than 0; its last screen is the text."""


def recorded(argv: Sequence[str], *, cwd: Path) -> list[Screen]:
    """Screens of a command that runs on a terminal of its own, each unlike the one before. Raises Failed."""
    terminal = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(terminal)
    screens: list[Screen] = []
    with _on_terminal(argv, cwd) as (running, descriptor):
        began_s = time.monotonic()
        for output in _outputs(descriptor):
            stream.feed(output)
            taken = Screen(time.monotonic() - began_s, lines_of(terminal))
            if not screens or taken.lines != screens[-1].lines:
                screens.append(taken)
        status = running.wait()
    if status:
        raise Failed("\n".join(line.rstrip() for line in terminal.display).strip())
    return screens


@contextmanager
def _on_terminal(argv: Sequence[str], cwd: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run the command beside the block; yield it with a descriptor of its terminal's output."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    env = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    env |= {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(ROWS)}
    try:
        with subprocess.Popen(
            argv, stdin=its, stdout=its, stderr=its, cwd=cwd, env=env, start_new_session=True
        ) as running:
            # The output ends when nobody has the terminal any more.
            os.close(its)
            yield running, ours
    finally:
        os.close(ours)


def _outputs(descriptor: int) -> Iterator[bytes]:
    """Output of each interval, up to the end of the command."""
    while True:
        held, ends_s = b"", time.monotonic() + INTERVAL_S
        while (left_s := ends_s - time.monotonic()) > 0:
            if not select.select([descriptor], [], [], left_s)[0]:
                break
            try:
                output = os.read(descriptor, 65536)
            except OSError:  # the terminal's end, on Linux
                output = b""
            if not output:
                yield held
                return
            held += output
        if held:
            yield held


def lines_of(terminal: pyte.Screen) -> tuple[Line, ...]:
    """Lines of the screen, as runs of characters that look alike. Blanks at their ends are left out."""
    return tuple(_line(terminal, row) for row in range(terminal.lines))


def _line(terminal: pyte.Screen, row: int) -> Line:
    length = len(terminal.display[row].rstrip())
    cells = [(column, terminal.buffer[row][column]) for column in range(length)]
    found = []
    for (colour, is_bold), some in groupby(cells, key=lambda cell: (cell[1].fg, cell[1].bold)):
        run = list(some)
        text = "".join(cell.data for _, cell in run)
        if text.strip():
            found.append(Run(run[0][0], text.rstrip(), colour, is_bold))
    return tuple(found)
