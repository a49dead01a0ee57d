"""Sender of an operator's commands to nodes, through a command document of the cluster."""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from swarmer.adapters import aws, log_groups, run_command
from swarmer.adapters.operator import Account
from swarmer.adapters.run_command import Invocation
from swarmer.core import names, remote_command
from swarmer.core.errors import NodeUnreachable, UserError
from swarmer.core.health import Expected
from swarmer.core.remote_output import End, Receiver
from swarmer.provider import Write

FIRST_PAUSE_S: Final = 0.15
LONGEST_PAUSE_S: Final = 1.0
"""First and longest pause between two queries, in seconds."""
GROWTH: Final = 1.5
"""Factor from one pause to the next."""
MOST_SECONDS: Final = 99_999
"""Longest run of a command, in seconds: the document takes five digits."""
LOG_TIMEOUT_S: Final = 15.0
"""Timeout for the rest of the output after the end of its command, in seconds: logs take some seconds."""
SIGN_OF_LIFE_INTERVAL_S: Final = 5.0
"""Interval between two checks that the node of a running command is alive, in seconds."""
SILENT_CHECKS: Final = 2
"""Number of checks in a row without a sign of life after which a node counts as lost."""
CANCEL_TIMEOUT_S: Final = 10.0
"""Timeout for an agent to end a cancelled command, in seconds."""
DELAY_S: Final = run_command.DELIVERY_TIMEOUT_S + remote_command.MARGIN_S + LOG_TIMEOUT_S
"""Time of a command in addition to its own duration, in seconds."""
SUCCESS: Final = "Success"
WORDS: Final = {
    "DeliveryTimedOut": "its agent did not fetch the command",
    "Undeliverable": "its agent does not answer",
    "ExecutionTimedOut": "the command took too long and was ended",
    "Cancelled": "the command was cancelled",
}
"""Reasons for a command without an exit status, by Run Command's detailed status."""
UNREACHED: Final = ("DeliveryTimedOut", "Undeliverable")
"""Detailed statuses of a command that did not reach its node."""


def pauses() -> Iterator[float]:
    """Growing pauses, in seconds."""
    pause_s = FIRST_PAUSE_S
    while True:
        yield pause_s
        pause_s = min(LONGEST_PAUSE_S, pause_s * GROWTH)


def run(
    account: Account, cluster: str, node: Expected, argv: Sequence[str], timeout_s: float, write: Write
) -> int:
    """Run a command on a node; return its exit status. Any exception ends the remote command, too."""
    try:
        command = remote_command.encode(argv)
    except remote_command.Unusable as exc:
        raise UserError(str(exc)) from exc
    if node.instance_id not in run_command.connected(account, [node.instance_id]):
        raise not_connected(node)
    running = Running(account, cluster, node, uuid.uuid4().hex, write)
    try:
        running.start(command, min(MOST_SECONDS, math.ceil(timeout_s) + remote_command.MARGIN_S))
        return running.follow(time.monotonic() + timeout_s + DELAY_S)
    except BaseException:
        running.cancel()
        raise


def not_connected(node: Expected) -> NodeUnreachable:
    """Error for a node on which no command can run."""
    return NodeUnreachable(
        f"{node.name}: its agent is not connected to Systems Manager; `swarmer logs {node.name}` shows its "
        "console"
    )


@dataclass
class Running:
    """Running command of an operator on a node."""

    account: Account
    cluster: str
    node: Expected
    id: str
    """Name of the log stream with its output."""
    write: Write
    command_id: str = ""
    """ID of Run Command."""
    is_over: bool = False
    """Whether it has certainly ended."""
    is_lost: bool = False
    """Whether its node does not answer any more."""
    _token: str = ""
    _receiver: Receiver = field(default_factory=Receiver)
    _end: End | None = None
    _silent_checks: int = 0

    def start(self, command: str, seconds: int) -> None:
        """Send the encoded command. `seconds`: its time limit."""
        parameters = {
            remote_command.ID: [self.id],
            remote_command.COMMAND: [command],
            remote_command.SECONDS: [str(seconds)],
        }
        document = names.exec_document(self.cluster)
        with _uninterrupted():
            self.command_id = run_command.send(self.account, document, self.node.instance_id, parameters)

    def follow(self, deadline_s: float) -> int:
        """Write the output until the command's end; return the exit status. Raises UserError."""
        checked_s = time.monotonic()
        for pause_s in pauses():
            time.sleep(pause_s)
            if self._read():
                return self._exit_status()
            ended = self._ended()
            if ended is not None:
                return self._read_rest(ended)
            now_s = time.monotonic()
            if now_s > deadline_s:
                raise UserError(f"{self.node.name}: {WORDS['ExecutionTimedOut']}", status=1)
            if now_s > checked_s + SIGN_OF_LIFE_INTERVAL_S:
                self._check_life()
                checked_s = now_s
        raise AssertionError("pauses never end")

    def cancel(self) -> None:
        """End the remote command, and wait until it is over. A second interrupt ends the wait."""
        if self.is_over or not self.command_id:
            return
        with contextlib.suppress(aws.Unavailable):
            run_command.cancel(self.account, self.command_id)
            if self.is_lost or self._ends():
                return
        raise UserError(
            f"{self.node.name}: AWS does not confirm that the command was ended: it may still run", status=1
        )

    def _ends(self) -> bool:
        """Wait at most CANCEL_TIMEOUT_S; return whether the command has ended."""
        deadline_s = time.monotonic() + CANCEL_TIMEOUT_S
        for pause_s in pauses():
            if self._ended() is not None:
                return True
            if time.monotonic() > deadline_s:
                return False
            time.sleep(pause_s)
        raise AssertionError("pauses never end")

    def _read(self) -> bool:
        """Write new output; return whether all is written."""
        group = names.exec_log_group(self.cluster)
        while True:
            messages, token = log_groups.page(self.account, group, self.id, self._token)
            self._take(messages)
            if token == self._token:
                break
            self._token = token
        self.is_over = self.is_over or self._end is not None
        return self._end is not None

    def _take(self, messages: Sequence[str]) -> None:
        try:
            for event in self._receiver.take(messages):
                if isinstance(event, End):
                    self._end = event
                else:
                    self.write(event.stream, event.data)
        except ValueError as exc:
            raise UserError(f"{self.node.name}: the log stream {self.id}: {exc}", status=1) from exc

    def _exit_status(self) -> int:
        if self._end is None or self._end.status is None:
            raise UserError(f"{self.node.name}: {self._end.error if self._end else ''}", status=1)
        return self._end.status

    def _ended(self) -> Invocation | None:
        """Invocation in its final status; None while it may change."""
        found = run_command.invocations(self.account, self.command_id)
        return next((each for each in found if each.is_final), None)

    def _read_rest(self, ended: Invocation) -> int:
        """Write the rest of an ended command's output; return the exit status. Raises UserError."""
        self.is_over = True
        has_end = ended.status in (SUCCESS, "Failed") and not ended.first_line
        deadline_s = time.monotonic() + (LOG_TIMEOUT_S if has_end else 2.0)
        while not self._read():
            if time.monotonic() > deadline_s:
                raise self._failure(ended)
            if self._receiver.has_gap:
                self._token = ""  # a late entry may be before the token
            time.sleep(LONGEST_PAUSE_S / 2)
        return self._exit_status()

    def _failure(self, ended: Invocation) -> UserError:
        """Error for a command without an exit status. It is NodeUnreachable if its node runs no commands."""
        name = self.node.name
        if ended.status in UNREACHED:
            return NodeUnreachable(f"{name}: {WORDS[ended.status]}")
        if ended.status in WORDS:
            return UserError(f"{name}: {WORDS[ended.status]}", status=1)
        if ended.status == "Failed" and ended.first_line:
            # On a booting node the software is not installed yet.
            return NodeUnreachable(f"{name}: the command was not run to its end: {ended.first_line}")
        missing = f"the end of the output is missing in {names.exec_log_group(self.cluster)}"
        return UserError(f"{name}: {missing} ({ended.status}, exit status {ended.exit_status})", status=1)

    def _check_life(self) -> None:
        """Check that the node is alive. Raises NodeUnreachable."""
        state = self.account.state(self.node.instance_id)
        is_heard = self.node.instance_id in run_command.connected(self.account, [self.node.instance_id])
        self._silent_checks = 0 if is_heard else self._silent_checks + 1
        if state != "running" or self._silent_checks >= SILENT_CHECKS:
            self.is_lost = True
            why = f"its instance is {state}" if state != "running" else "its agent is not connected any more"
            raise NodeUnreachable(f"{self.node.name} was lost while the command ran: {why}")


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Delay an interrupt until the end of the block, because a command without a known ID cannot be ended."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: held.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if held:
        raise KeyboardInterrupt
