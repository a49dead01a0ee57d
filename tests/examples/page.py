"""A page whose commands are typed, in a shell that stays: what stands in a page is what is tested."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from swarmer.local import environment

EXAMPLES: Final = environment.ROOT / "examples"
END: Final = "<end of block>"


def blocks(page: Path) -> dict[str, list[str]]:
    """Heading to the indented blocks below it, in order: the commands of a page."""
    found: dict[str, list[str]] = {}
    parts = re.split(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    for heading, text in zip(parts[1::2], parts[2::2], strict=True):
        indented = re.findall(r"(?:^    .*\n)+", text, flags=re.MULTILINE)
        if indented:
            found[heading] = [re.sub("^    ", "", block, flags=re.MULTILINE) for block in indented]
    return found


class Shell:
    """A person's shell, with `set -e`: a command that fails ends it, and the test."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self._bash = subprocess.Popen(
            ["bash", "-e"],
            cwd=folder,
            env={**os.environ, **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def type(self, block: str, *, may_fail: bool = False) -> str:
        """Run a block to its end; all that it prints."""
        assert self._bash.stdin and self._bash.stdout
        otherwise = ' || echo "exit status $?"' if may_fail else ""
        # Braces: bash reads the block whole, so that no command in it can eat the rest as its input.
        self._bash.stdin.write(f"{{\n{block}}} < /dev/null{otherwise}\necho; echo '{END}'\n")
        self._bash.stdin.flush()
        lines: list[str] = []
        for line in self._bash.stdout:
            if line.strip() == END:
                return "".join(lines).strip()
            lines.append(line)
        raise AssertionError(f"failed:\n{block}\nprinted:\n{''.join(lines)}")

    def close(self) -> None:
        """End the shell."""
        self._bash.kill()
        self._bash.communicate()


class Page:
    """One page under test; `untyped` is what no test has typed yet."""

    def __init__(self, path: Path, shell: Shell) -> None:
        self._blocks = blocks(path)
        self._shell = shell
        self.untyped = [block for each in self._blocks.values() for block in each]

    def type(self, heading: str, number: int = 1, *, may_fail: bool = False) -> str:
        """Type one block below a heading, the first where none is named; what it prints."""
        block = self._blocks[heading][number - 1]
        if block in self.untyped:
            self.untyped.remove(block)
        return self._shell.type(block, may_fail=may_fail)

    def type_until(
        self, heading: str, number: int, shows: Callable[[str], bool], *, within_s: float = 60
    ) -> str:
        """Type a block again and again, as one does who waits, until it shows what the page promises.

        A call that reaches a machine which is just lost may fail meanwhile.
        """
        deadline_s = time.monotonic() + within_s
        while not shows(printed := self.type(heading, number, may_fail=True)):
            assert time.monotonic() < deadline_s, f"{heading}: after {within_s:.0f} s still\n{printed}"
            time.sleep(0.5)
        return printed

    def wait(self, command: str, shows: Callable[[str], bool], *, within_s: float = 90) -> str:
        """The same for what a page says in a sentence rather than a block."""
        deadline_s = time.monotonic() + within_s
        while not shows(printed := self._shell.type(command + "\n")):
            assert time.monotonic() < deadline_s, f"{command}: after {within_s:.0f} s still\n{printed}"
            time.sleep(0.5)
        return printed

    def wait_for_tasks(self, command: str, replicas: str) -> None:
        """Wait until `docker stack services` lists as many running tasks of a service: `2/2`."""
        self.wait(command, lambda shown: f" {replicas} " in shown)
