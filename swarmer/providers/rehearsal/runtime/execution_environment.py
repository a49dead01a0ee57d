"""Execution environment: a container that answers one invocation at a time."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from swarmer.adapters import process
from swarmer.local import engine
from swarmer.providers.rehearsal.runtime.bootstrap import END

LOG_TIMEOUT_S: Final = 2.0
"""Timeout for the log of an answer, in seconds: the log comes on another pipe."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Answer of a function: `result` is JSON, or `error` has Lambda's words for the failure."""

    result: str = ""
    error: dict[str, Any] | None = None
    lines: tuple[str, ...] = ()
    max_memory_mb: int = 0
    is_over: bool = False
    """Whether the environment answers no further invocation."""


class ExecutionEnvironment:
    """Environment that starts and ends with its container."""

    def __init__(
        self,
        *,
        name: str,
        argv: Sequence[str],
        environment: dict[str, str],
        on_line: Callable[[str, str], None],
    ) -> None:
        """Start the container. `argv`: docker's arguments. `on_line` gets a request ID and an output line."""
        self.name = name
        self.born_s = self.used_s = time.monotonic()
        self._on_line = on_line
        self._request_id = ""
        self._lines: list[str] = []
        self._ended = threading.Event()
        self._answers: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._process = subprocess.Popen(
            ["docker", *argv],
            env=engine.docker_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            bufsize=1,
        )
        self._readers = [
            threading.Thread(target=read, daemon=True) for read in (self._read_answers, self._read_log)
        ]
        for reader in self._readers:
            reader.start()
        self._send({"environment": environment})

    def start(self, within_s: float) -> Answer:
        """Wait for the end of the imports; the answer has their result."""
        return self._await("", within_s, f"Init phase timed out after {within_s:.2f} seconds")

    def invoke(self, call: dict[str, Any], within_s: float) -> Answer:
        """Send the call and return its answer; a timeout ends the container."""
        self._request_id, self.used_s = call["request_id"], time.monotonic()
        self._lines.clear()
        self._ended.clear()
        self._send(call)
        late = f"{call['request_id']} Task timed out after {within_s:.2f} seconds"
        return self._await(call["request_id"], within_s, late)

    def _await(self, request_id: str, within_s: float, late: str) -> Answer:
        try:
            reply = self._answers.get(timeout=within_s)
        except queue.Empty:
            late = f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {late}"
            return self._broken({"errorType": "Sandbox.Timedout", "errorMessage": late}, late)
        if reply is None:
            words = f"RequestId: {request_id} Error: Runtime exited without providing a reason"
            return self._broken({"errorType": "Runtime.ExitError", "errorMessage": words}, words)
        self._ended.wait(LOG_TIMEOUT_S)
        over = reply.get("error", {}).get("errorType") == "Runtime.ExitError"
        return Answer(
            result=reply.get("result", ""),
            error=reply.get("error"),
            lines=tuple(self._lines),
            max_memory_mb=round(reply["max_rss_kb"] / 1024),
            is_over=over,
        )

    def _broken(self, error: dict[str, Any], line: str) -> Answer:
        self.close()
        self._on_line(self._request_id, line)
        return Answer(error=error, lines=(*self._lines, line), is_over=True)

    def _send(self, request: dict[str, Any]) -> None:
        """Send a request. If the environment has ended, the reader of the answer notices it."""
        with contextlib.suppress(OSError, ValueError):
            if self._process.stdin:
                self._process.stdin.write(json.dumps(request) + "\n")
                self._process.stdin.flush()

    def _read_answers(self) -> None:
        with self._process.stdout or contextlib.nullcontext(()) as answers:
            for line in answers:
                with contextlib.suppress(ValueError):
                    self._answers.put(json.loads(line))
        self._answers.put(None)

    def _read_log(self) -> None:
        with self._process.stderr or contextlib.nullcontext(()) as log:
            for line in log:
                if line.startswith(END):
                    self._ended.set()
                    continue
                self._lines.append(line.rstrip("\n"))
                self._on_line(self._request_id, line.rstrip("\n"))

    @property
    def is_over(self) -> bool:
        return self._process.poll() is not None

    def close(self) -> None:
        """Remove the container by force."""
        with contextlib.suppress(process.Failed):
            engine.docker("rm", "-f", "-v", self.name)
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            self._process.wait(5)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        with contextlib.suppress(OSError, ValueError):
            if self._process.stdin:
                self._process.stdin.close()
        for reader in self._readers:
            reader.join(LOG_TIMEOUT_S)
