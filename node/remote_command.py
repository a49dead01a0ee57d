"""Program that runs one command for an operator: the step of the cluster's command document.

    python -m node.remote_command ID SECONDS COMMAND

The output goes to the log group of remote commands, as events of `core.remote_output` in the stream ID.
This program itself prints only its own failures, because viewers may read its output.

The command stays in this program's process group. The agent kills that group when the command is cancelled,
so nothing continues unnoticed.

A file records that a command has begun, and a command begins only once. The reasons are in
docs/adr/0015-commands-run-at-most-once.md, and in https://github.com/aws/amazon-ssm-agent/issues/169.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from node.machine import Unusable, read_machine
from swarmer.adapters import aws
from swarmer.adapters.log_stream import LogStream
from swarmer.core import names, remote_command, remote_output
from swarmer.core.remote_output import ERR, OUT, End

FLUSH_S: Final = 0.5
"""Longest time for which output is held, in seconds."""
MOST_HELD: Final = 4 * remote_output.LIMIT
"""Largest amount of held output, in bytes. The command waits while more cannot be sent."""
PIECE: Final = 65_536
"""Size of one read, in bytes."""
DRAIN_S: Final = 1
"""Timeout for output after the command's end, in seconds. A process left behind may keep the pipe open."""
END_S: Final = 2
"""Time between SIGTERM and SIGKILL for a command that takes too long, in seconds."""
RETRY_S: Final = 1
"""Pause before unsent output is sent again, in seconds."""
NOT_EXECUTABLE: Final = 126
NOT_FOUND: Final = 127
"""Exit status of a command that did not start, like that of `env`."""
REBOOTS: Final = 194
"""Exit status that makes the agent reboot the machine.
https://docs.aws.amazon.com/systems-manager/latest/userguide/send-commands-reboot.html"""
FAILED: Final = 1
BEGUN: Final = Path("/var/lib/swarmer-commands")
"""Folder with an empty file for each command that has begun, named by its ID."""
KEPT_S: Final = 7 * 86_400
"""Seconds after which the file of a remote command is removed. Every command ends before that."""

Put = Callable[[Sequence[str]], None]
"""Function that sends messages. Raises aws.Unavailable."""


class Undelivered(Exception):
    """Output could not be sent until the end of the command's time."""


class Begun(Exception):
    """The command has begun before."""


class TookTooLong(Exception):
    """The command took longer than it may, and was ended."""


def main(arguments: list[str]) -> int:
    """Run the command. Returns its exit status, with one line on stderr if it could not be run at all."""
    command_id, seconds, encoded = arguments
    try:
        begin(command_id, BEGUN)  # the agent of a rebooted machine gets here before cloud-init has run
        machine = read_machine()
        argv = remote_command.decode(encoded)
        os.environ.update(machine.identity.endpoints.environment(machine.identity.region))
        group = names.exec_log_group(machine.node.cluster)
        stream = LogStream(group, command_id, machine.identity.region)
        stream.create()
        return run(argv, limit_s=max(1, int(seconds) - remote_command.MARGIN_S), put=stream.put)
    except TookTooLong:
        # Processes that ignored the request to end are killed together with this program.
        os.killpg(0, signal.SIGKILL)
    except (Begun, Unusable, remote_command.Unusable, aws.Unavailable, Undelivered) as exc:
        sys.stderr.write(f"{exc}\n")
    return FAILED


def begin(command_id: str, folder: Path) -> None:
    """Record on the disk that the command begins. Raises Begun if it has begun before.

    A full or read-only disk takes no record. The command begins all the same, because it may be the repair.
    """
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        try:
            (folder / command_id).touch(exist_ok=False)
        except FileExistsError as exc:
            raise Begun(
                "the node or its agent restarted meanwhile, and the command is not run twice"
            ) from exc
        for each in folder.iterdir():
            if time.time() - each.stat().st_mtime > KEPT_S:
                each.unlink(missing_ok=True)
        _flush(folder)


def _flush(folder: Path) -> None:
    """Write the folder's entries to the disk: the command may cut the machine's power."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def run(argv: Sequence[str], *, limit_s: float, put: Put) -> int:
    """Run the command for at most `limit_s` seconds; return the exit status.

    Raises Undelivered. Raises TookTooLong after this end is written to the output.
    """
    deadline_s = time.monotonic() + limit_s
    writer = Writer(put, deadline_s + END_S)
    try:
        started = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
            env={"HOME": "/root", **os.environ},
        )
    except OSError as exc:
        writer.end(None, f"{argv[0]}: {exc.strerror}")
        return NOT_FOUND if isinstance(exc, FileNotFoundError) else NOT_EXECUTABLE
    with started as child:
        try:
            is_over = _forward(child, writer, deadline_s)
        finally:
            _end(child)
    if not is_over:
        writer.end(None, f"it took longer than {limit_s:g} s")
        raise TookTooLong
    status = child.returncode if child.returncode >= 0 else 128 - child.returncode
    writer.end(status)
    return FAILED if status == REBOOTS else status


@dataclass
class Writer:
    """Writer of a command's output. Every method raises Undelivered."""

    put: Put
    deadline_s: float
    """Monotonic time until which sending is retried."""
    _pieces: list[tuple[str, bytes]] = field(default_factory=list)
    _held: int = 0
    _since_s: float = 0
    _next: int = 0

    def write(self, stream: str, data: bytes) -> None:
        """Take a piece of output."""
        if not self._pieces:
            self._since_s = time.monotonic()
        self._pieces.append((stream, data))
        self._held += len(data)
        if self._held >= MOST_HELD - PIECE:
            self.flush()

    def flush_if_due(self) -> None:
        """Send output that was held for FLUSH_S."""
        if self._pieces and time.monotonic() - self._since_s >= FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Send everything that is held."""
        found = remote_output.chunks(self._pieces, self._next)
        messages = [remote_output.encode(each) for each in found]
        for some in remote_output.batches(messages):
            self._send(some)
        self._next += len(found)
        self._pieces, self._held = [], 0

    def end(self, status: int | None, error: str = "") -> None:
        """Send the rest, and the end."""
        self.flush()
        self._send([remote_output.encode(End(self._next, status, error))])

    def _send(self, messages: Sequence[str]) -> None:
        while True:
            try:
                return self.put(messages)
            except aws.Unavailable as exc:
                if time.monotonic() + RETRY_S > self.deadline_s:
                    raise Undelivered(f"the output cannot be written: {exc}") from exc
            time.sleep(RETRY_S)


def _forward(child: subprocess.Popen[bytes], writer: Writer, deadline_s: float) -> bool:
    """Forward the output until the command's end. Returns False if it takes longer than it may."""
    ended_s = 0.0
    with selectors.DefaultSelector() as selector:
        for stream, pipe in ((OUT, child.stdout), (ERR, child.stderr)):
            if pipe:
                selector.register(pipe, selectors.EVENT_READ, stream)
        while selector.get_map():
            for key, _ in selector.select(FLUSH_S / 5):
                if data := os.read(key.fd, PIECE):
                    writer.write(key.data, data)
                else:
                    selector.unregister(key.fileobj)
            writer.flush_if_due()
            now_s = time.monotonic()
            if child.poll() is None:
                if now_s > deadline_s:
                    return False
            elif now_s - (ended_s := ended_s or now_s) > DRAIN_S:
                return True
    writer.flush()
    return _has_ended(child, deadline_s)


def _has_ended(child: subprocess.Popen[bytes], deadline_s: float) -> bool:
    """Wait for a command that has closed its output."""
    try:
        child.wait(max(0, deadline_s - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a command that still runs, with every process in its group but this one."""
    if child.poll() is not None:
        return
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    try:
        child.wait(END_S)
    except subprocess.TimeoutExpired:
        child.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
