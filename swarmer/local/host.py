"""Programs that a rehearsal needs on this machine: Docker Engine, mmdebstrap, the CDK's command line.

On Debian, as root, they are installed without a question. Otherwise one line names the missing program.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping
from ctypes.util import find_library
from pathlib import Path
from typing import Final

from swarmer.adapters import files, process
from swarmer.core.errors import UserError
from swarmer.local import engine, environment

DOCKERD_PID: Final = environment.STATE / "dockerd.pid"
"""File with the process ID of our own dockerd, started without systemd; `down` ends it."""
DOCKERD: Final = Path("/usr/sbin/dockerd")
"""Path of dockerd on Debian. Only root's PATH contains its folder, so other users would install it again."""
DOCKERD_START_TIMEOUT_S: Final = 30.0
"""Timeout for the first answer of a started dockerd, in seconds."""
APT_LOCK_TIMEOUT: Final = "DPkg::Lock::Timeout=300"
"""Option of apt that waits 300 s for another installation, by the operator or unattended upgrades."""
BIN: Final = environment.ROOT / ".venv/bin"
CDK: Final = environment.ROOT / "node_modules/.bin/cdk"


def can_install() -> bool:
    """Whether this is Debian (or a derivative), and the user is root."""
    return os.geteuid() == 0 and Path("/etc/debian_version").exists() and shutil.which("apt-get") is not None


def ensure_packages(*wanted: tuple[str, str]) -> bool:
    """Install Debian packages if their command is missing: `(command, package)`. Raises UserError."""
    return _install([package for command, package in wanted if shutil.which(command) is None])


def ensure_library(name: str, package: str) -> bool:
    """Install the Debian package of a shared library if it is missing. Raises UserError."""
    return _install([] if find_library(name) else [package])


def _install(missing: list[str]) -> bool:
    if not missing:
        return False
    if not can_install():
        packages = " ".join(missing)
        raise UserError(
            f"{packages}: not installed, and only root on Debian can have it installed for them; "
            f"on Debian or Ubuntu: sudo apt-get install {packages}"
        )
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "-o", APT_LOCK_TIMEOUT, "install", "-qy", "--no-install-recommends", *missing]
    with files.alone(environment.STATE / "apt.lock"):  # `apt-get update` fails if another one runs
        try:
            process.run(["apt-get", "update", "-q"], timeout_s=300, env=quiet)
            process.run(install, timeout_s=600, env=quiet)
        except process.Failed as exc:
            raise UserError(f"installing {' '.join(missing)} failed: {exc}", status=1) from exc
    return True


def engine_version() -> str | None:
    """Version of the answering Docker Engine; None if none answers."""
    try:
        return engine.docker("version", "-f", "{{.Server.Version}}", timeout_s=10)
    except process.Failed:
        return None


def ensure_engine() -> str:
    """Ensure that a Docker Engine answers, and return its version. Raises UserError."""
    if version := engine_version():
        return version
    if host := os.environ.get(engine.HOST_VARIABLE):
        raise UserError(f"Docker does not answer at {host}, which {engine.HOST_VARIABLE} names")
    # A second dockerd would fail, and its process ID would be recorded.
    with files.alone(environment.STATE / "engine.lock"):
        return _install_and_start_engine()


def ensure_engine_commands() -> None:
    """Install Docker Engine and its command line unless both are there. Raises UserError."""
    if not DOCKERD.exists():
        ensure_packages(("dockerd", "docker.io"))
    # On Debian 12 docker.io contains the command line; since Debian 13 that is a separate package.
    ensure_packages(("docker", "docker-cli"))


def _install_and_start_engine() -> str:
    ensure_engine_commands()
    if version := engine_version():
        return version
    if os.geteuid() != 0:
        raise UserError(
            "Docker does not answer: start it with `sudo systemctl start docker`, "
            "and see that `docker info` works for you"
        )
    _start_engine()
    deadline_s = time.monotonic() + DOCKERD_START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        if version := engine_version():
            return version
        time.sleep(0.2)
    raise UserError(
        f"dockerd does not answer {DOCKERD_START_TIMEOUT_S:.0f} s after its start: see {_dockerd_log()}",
        status=1,
    )


def _dockerd_log() -> Path:
    return environment.STATE / "dockerd.log"


def _start_engine() -> None:
    """Start the engine by systemd if systemd runs, else as a separate process."""
    if Path("/run/systemd/system").exists():
        try:
            process.run(["systemctl", "start", "docker"])
        except process.Failed as exc:
            raise UserError(f"Docker could not be started: {exc}", status=1) from exc
        return
    environment.STATE.mkdir(exist_ok=True)
    started = process.detach(["dockerd"], _dockerd_log(), cwd=Path("/"))
    files.ensure_file(DOCKERD_PID, f"{started.pid}\n")


def stop_own_engine() -> bool:
    """End our own dockerd, unless another program uses it now."""
    if not DOCKERD_PID.exists():
        return False
    pid = int(DOCKERD_PID.read_text())
    if is_running(pid, "dockerd"):
        if engine.docker("ps", "-q"):
            return False
        stop(pid, "dockerd", within_s=20)
    DOCKERD_PID.unlink()
    return True


def is_running(pid: int, command: str) -> bool:
    """Whether process `pid` still has `command` in its command line."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return False
    return command in words


def stop(pid: int, command: str, *, within_s: float = 5) -> None:
    """Send SIGTERM, and SIGKILL if the process does not end in time (seconds)."""
    for number in (15, 9):
        if not is_running(pid, command):
            return
        os.kill(pid, number)
        deadline_s = time.monotonic() + within_s
        while is_running(pid, command) and time.monotonic() < deadline_s:
            # A child of this process stays a zombie until it is waited for.
            _reap(pid)
            time.sleep(0.05)


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def ensure_cdk() -> bool:
    """Ensure the CDK's command line from package.json, with the Node of the virtualenv."""
    # Two runs of npm at once would break each other's folder.
    with files.alone(environment.STATE / "cdk.lock"):
        return _ensure_cdk()


def _ensure_cdk() -> bool:
    wanted = json.loads((environment.ROOT / "package.json").read_text())["devDependencies"]["aws-cdk"]
    installed = environment.ROOT / "node_modules/aws-cdk/package.json"
    if installed.exists() and json.loads(installed.read_text())["version"] == wanted:
        return False
    try:
        argv = [
            str(BIN / "npm"),
            "ci",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
            "--prefix",
            str(environment.ROOT),
        ]
        process.run(argv, timeout_s=600, env=node_environment())
    except process.Failed as exc:
        raise UserError(f"installing the CDK's command line failed: {exc}", status=1) from exc
    return True


def node_environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """Copy of `variables` (if None, this process') with the virtualenv's Node first in the PATH."""
    kept = dict(os.environ if variables is None else variables)
    return {**kept, "PATH": f"{BIN}{os.pathsep}{kept['PATH']}"}
