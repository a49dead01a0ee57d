"""A person at a terminal: types lines into a shell, reads what it shows, and answers questions."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import subprocess
import termios
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

PROMPT: Final = "<prompt>"
"""Prompt of the shell, which no command prints."""
PARTS: Final = re.compile(r"(\r*\n|\r|\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|\x1b[=>])")
"""Ends of lines and escape sequences."""
UP: Final = "\x1b[1A"
"""Sequence that moves the cursor into the line above, in order to draw it again."""
CLEARS: Final = ("\r", "\x1b[2K")
"""Parts after which the line is written again."""
COLUMNS: Final = 200
"""Width of the terminal: wide enough for every line."""
TAIL: Final = 8192
"""Number of last bytes in which a question or the prompt is looked for."""


class Terminal:
    """A shell in a terminal. It stays from line to line, so variables stay, too."""

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        self._us, them = pty.openpty()
        termios.tcsetwinsize(self._us, (50, COLUMNS))
        self._shell = subprocess.Popen(
            ["bash", "--norc", "--noprofile", "--noediting", "-i"],
            cwd=folder,
            env={**variables, "PS1": PROMPT, "PS2": "", "TERM": "xterm", "COLUMNS": str(COLUMNS)},
            stdin=them,
            stdout=them,
            stderr=them,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(them)
        self._read_until_prompt({}, 30)

    def type(self, line: str, answers: Mapping[str, str] | None = None, *, within_s: float = 60) -> str:
        """Type one line; return what the terminal shows until the next prompt.

        `answers`: what the person types when the last line shown ends with these words.
        """
        os.write(self._us, f"{line}\n".encode())
        shown = self._read_until_prompt(answers or {}, within_s)
        return shown.partition("\n")[2]  # the terminal shows what is typed

    def exit_status(self) -> int:
        """Exit status of the last command."""
        return int(self.type("echo $?").strip())

    def close(self) -> None:
        """End the shell."""
        self._shell.kill()
        self._shell.wait()
        os.close(self._us)

    def _read_until_prompt(self, answers: Mapping[str, str], within_s: float) -> str:
        shown, deadline_s = b"", time.monotonic() + within_s
        left = dict(answers)
        while not plain(shown[-TAIL:]).endswith(PROMPT):
            ready, _, _ = select.select([self._us], [], [], max(0.0, deadline_s - time.monotonic()))
            assert ready, f"after {within_s:.0f} s the terminal still shows\n{plain(shown)[-3000:]}"
            shown += os.read(self._us, 65536)
            last = plain(shown[-TAIL:]).rstrip()
            for question in [each for each in left if last.endswith(each)]:
                os.write(self._us, f"{left.pop(question)}\n".encode())
        text = plain(shown).removesuffix(PROMPT)
        assert not left, f"nobody asked {list(left)}:\n{text}"
        return text


def plain(piece: bytes) -> str:
    """Text that a terminal shows in the end: without colours, spinners and lines that were drawn over."""
    lines = [""]
    for part in PARTS.split(piece.decode(errors="replace")):
        if part.endswith("\n"):
            lines.append("")
        elif part == UP:
            lines[-2:] = [""]
        elif PARTS.fullmatch(part):
            lines[-1] = "" if part in CLEARS else lines[-1]
        else:
            lines[-1] += part
    return "\n".join(lines)


def _take_terminal() -> None:
    """Make the terminal at standard input that of the process, so that Ctrl-C and questions work."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
