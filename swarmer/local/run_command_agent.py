#!/usr/bin/python3
"""Stand-in for amazon-ssm-agent in a rehearsal's node. Nodes on AWS run AWS's own agent.

It polls AWS on this machine for commands of Run Command, through the node's network and with the credentials
of the node's role. It runs them and reports their results. It needs only Python, so it works also on a node
with broken software. The node image contains a copy of this file.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

SEED: Final = Path("/var/lib/cloud/seed/nocloud/meta-data")
"""File of the rehearsal with the machine's identity and AWS's address. It exists before cloud-init runs."""
VERSION: Final = "0.1.0"
"""Version in the answer of DescribeInstanceInformation."""
PATH: Final = "/swarmer/agent"
WAIT_S: Final = 4.0
"""Time that a poll waits at AWS for work, in seconds."""
TIMEOUT_S: Final = 8.0
"""Timeout of a request, in seconds. It must be longer than WAIT_S."""
PAUSE_S: Final = 1.0
"""Pause after a failed request, in seconds."""
MAX_BYTES: Final = {"out": 24_000, "err": 8_000}
"""Largest number of reported bytes of the output and of the error output."""
KILLED_CODE: Final = 137
"""Response code of a step that the agent has killed: 128 and the number of SIGKILL."""
SHELL_SCRIPT: Final = "aws:runShellScript"
SESSION_S: Final = 60
"""Time for which the agent keeps a token and a key of the metadata service, in seconds."""
FAILURES: Final = (OSError, http.client.HTTPException, ValueError, KeyError)
"""Exceptions after which a request is repeated."""

Credentials = Callable[[], str]
"""Function that returns the ID of the access key of the node's role. Raises FAILURES."""


@dataclass
class Running:
    """Command in progress."""

    is_cancelled: bool = False
    process: subprocess.Popen[bytes] | None = None
    guard: threading.Lock = field(default_factory=threading.Lock)

    def cancel(self) -> None:
        """Kill the step in progress; no further step begins."""
        with self.guard:
            self.is_cancelled = True
            kill(self.process)


@dataclass
class Agent:
    """Agent of one node."""

    url: str
    region: str
    credentials: Credentials
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables for every command, in addition to the agent's own."""
    wait_s: float = WAIT_S
    ends: threading.Event = field(default_factory=threading.Event)
    """Event that stops the agent."""
    _running: dict[str, Running] = field(default_factory=dict)

    def run(self) -> None:
        """Poll until `ends` is set."""
        while not self.ends.is_set():
            try:
                self.poll()
            except FAILURES as exc:
                say(f"cannot reach AWS: {exc}")
                self.ends.wait(PAUSE_S)

    def poll(self) -> None:
        """Ask once, begin new commands, and end cancelled ones."""
        ending = [name for name, each in list(self._running.items()) if each.is_cancelled]
        answer = self._call({"running": list(self._running), "ending": ending, "wait_s": self.wait_s})
        for command in answer["run"]:
            self._running[command["id"]] = Running()
            threading.Thread(target=self._execute, args=(command,), daemon=True).start()
        for name in answer["end"]:
            if name in self._running:
                self._running[name].cancel()

    def _execute(self, command: Mapping[str, Any]) -> None:
        """Run a command's steps and report them; repeat a failed report."""
        running = self._running[command["id"]]
        steps: list[dict[str, Any]] = []
        for step in command["steps"]:
            steps.append(execute(step, running, self.environment))
            if steps[-1]["code"] != 0:
                break
        while not self.ends.is_set():
            try:
                self._call({"results": [{"id": command["id"], "steps": steps}]})
                break
            except FAILURES as exc:
                say(f"cannot report to AWS: {exc}")
                self.ends.wait(PAUSE_S)
        del self._running[command["id"]]

    def _call(self, fields: Mapping[str, Any]) -> Any:
        date = datetime.now(UTC).strftime("%Y%m%d")
        scope = f"{self.credentials()}/{date}/{self.region}/ssm/aws4_request"
        request = urllib.request.Request(
            f"{self.url}{PATH}",
            data=json.dumps({**fields, "about": about()}).encode(),
            headers={
                "Content-Type": "application/json",
                # AWS on this machine reads the key's ID and does not check the signature.
                "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
            },
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            return json.load(answer)


def execute(step: Mapping[str, Any], running: Running, environment: Mapping[str, str]) -> dict[str, Any]:
    """Run one step in its own process group, and return its report."""
    began_s = time.time()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        code, killed = _run(step, running, environment, out, err)
        texts = {"out": _head(out, "out"), "err": _head(err, "err")}
    if code and not killed:
        texts["err"] += f"failed to run commands: exit status {code}"
    return {
        "name": step["name"],
        "code": code,
        "killed": killed,
        **texts,
        "began_s": began_s,
        "ended_s": time.time(),
    }


def _run(
    step: Mapping[str, Any],
    running: Running,
    environment: Mapping[str, str],
    out: IO[bytes],
    err: IO[bytes],
) -> tuple[int, str]:
    """Run the step; return its exit status, and the reason of a kill: `timeout`, `cancel` or empty."""
    if step["action"] != SHELL_SCRIPT:
        err.write(f"the rehearsal's agent does not run {step['action']}\n".encode())
        return 1, ""
    with running.guard:
        if running.is_cancelled:
            return KILLED_CODE, "cancel"
        running.process = process = subprocess.Popen(
            ["/bin/sh", "-c", step["script"]],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env={**os.environ, **environment},
            process_group=0,
        )
    try:
        code = process.wait(timeout=step["timeout_s"])
    except subprocess.TimeoutExpired:
        kill(process)
        process.wait()
        return KILLED_CODE, "timeout"
    if running.is_cancelled:
        return KILLED_CODE, "cancel"
    return (code if code >= 0 else 128 - code), ""


def kill(process: subprocess.Popen[bytes] | None) -> None:
    """Kill the whole process group, unless it has ended."""
    if process is not None and process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _head(written: IO[bytes], kind: str) -> str:
    written.seek(0)
    return written.read(MAX_BYTES[kind]).decode(errors="replace")


def about() -> dict[str, str]:
    """Facts about the agent and its machine, read each time: cloud-init may change the machine's name."""
    release = platform.freedesktop_os_release()
    return {
        "version": VERSION,
        "host": socket.gethostname(),
        "platform": release.get("NAME", "Linux"),
        "platform_version": release.get("VERSION_ID", ""),
    }


class Role:
    """Access key of the node's role from the metadata service, read again every SESSION_S."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._key = ""
        self._until_s = 0.0

    def __call__(self) -> str:
        if time.time() > self._until_s:
            path = "latest/meta-data/iam/security-credentials/"
            headers = {"X-aws-ec2-metadata-token-ttl-seconds": str(SESSION_S)}
            token = self._ask("PUT", "latest/api/token", headers)
            headers = {"X-aws-ec2-metadata-token": token}
            name = self._ask("GET", path, headers)
            self._key = json.loads(self._ask("GET", f"{path}{name}", headers))["AccessKeyId"]
            self._until_s = time.time() + SESSION_S
        return self._key

    def _ask(self, method: str, path: str, headers: Mapping[str, str]) -> str:
        request = urllib.request.Request(f"{self._url}/{path}", method=method, headers=dict(headers))
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            text: str = answer.read().decode()
        return text


def say(text: str) -> None:
    """Write to the journal."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def main() -> int:
    try:
        seed = json.loads(SEED.read_text())
        of_aws = seed["swarmer"]
    except (ValueError, KeyError):
        return 0  # a machine without AWS
    environment = {"AWS_SSM_INSTANCE_ID": seed["instance-id"], "AWS_SSM_REGION_NAME": seed["region"]}
    role = Role(of_aws["metadata_endpoint"].rstrip("/"))
    Agent(of_aws["aws_endpoint_url"].rstrip("/"), seed["region"], role, environment).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
