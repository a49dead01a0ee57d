"""Virtual machine as a process of QEMU, with its own loopback address."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from swarmer.core import names
from swarmer.local.node_image import Progress
from swarmer.providers.vm import emulator, seed
from swarmer.providers.vm.console import SerialConsole
from swarmer.providers.vm.image import Image

ADDRESS: Final = "127.44.0.15"
"""Address of the node's ports on this machine: a separate one, so that the ports keep their numbers."""
FORWARDED: Final = (names.CONSUL_HTTP_PORT, names.DOCKER_PORT, names.REGISTRY_PORT)
MEMORY_MB: Final = 2048
POLL_INTERVAL_S: Final = 1.0
"""Interval between two checks of a condition, in seconds."""


class Dead(Exception):
    """The machine failed to boot, or not in time; the text ends with its last lines."""


def arguments(image: Image, volume: Path, ports: tuple[int, ...]) -> list[str]:
    """Command line of QEMU. Pure."""
    forwards = "".join(f",hostfwd=tcp:{ADDRESS}:{port}-:{port}" for port in (*FORWARDED, *ports))
    return [
        # QEMU ends with its parent process, even if the parent is killed.
        *("setpriv", "--pdeathsig", "KILL", emulator.COMMAND, "-nodefaults", "-no-user-config"),
        # The CPU is one of an old model. With two CPUs, or with the features of `max`, the guest's kernel
        # crashes.
        *("-accel", "tcg", "-cpu", "qemu64", "-smp", "1", "-m", str(MEMORY_MB)),
        *("-display", "none", "-serial", "stdio", "-device", "virtio-rng-pci"),
        *("-kernel", str(image.kernel), "-initrd", str(image.initrd)),
        *("-append", "root=/dev/vda rw console=ttyS0 panic=60"),
        # Written data lasts as long as the process. After a reboot the guest has it; the next test does not.
        *("-drive", f"file={image.disk},format=raw,if=virtio,snapshot=on"),
        *("-drive", f"file={volume},format=raw,if=virtio,readonly=on"),
        # With `restrict` the guest sends packets only as answers.
        *("-netdev", f"user,id=net,restrict=on{forwards}", "-device", "virtio-net-pci,netdev=net"),
    ]


class Guest:
    """Context in which the machine is powered on."""

    def __init__(self, image: Image, log: Path, progress: Progress, *, ports: tuple[int, ...]) -> None:
        self.console = SerialConsole(log, progress)
        self._image = image
        self._ports = ports
        self._process: subprocess.Popen[bytes] | None = None
        self._files = tempfile.TemporaryDirectory(prefix="swarmer-vm-")

    def __enter__(self) -> Self:
        volume = seed.write(Path(self._files.name))
        self._process = subprocess.Popen(
            arguments(self._image, volume, self._ports),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if self._process.stdout:
            self._reader = self.console.follow(self._process.stdout)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._reader.join(5)
            if self._process.stdout:
                self._process.stdout.close()
        self._files.cleanup()

    def until(self, condition: Callable[[], bool], within_s: float, what: str) -> float:
        """Seconds until the condition holds. Raises Dead if the machine dies, or the time is up, before."""
        began_s = time.monotonic()
        while not condition():
            if self.console.dead_reason:
                raise Dead(self._words(self.console.dead_reason))
            if time.monotonic() - began_s > within_s:
                raise Dead(self._words(f"{what}: not within {within_s:.0f} s"))
            time.sleep(POLL_INTERVAL_S)
        return time.monotonic() - began_s

    def _words(self, why: str) -> str:
        last = "\n  ".join(self.console.last)
        return f"{why}\nthe end of its console ({self.console.log}):\n  {last}"
