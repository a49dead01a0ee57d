"""Prerequisites of the make targets: each outside program is installed before its first use.

    python -m tests.prerequisites TARGET

The targets that only call `swarmer` (`make up`, `make docs` …) are not listed, because the command installs
what it needs itself.
Exit status: 0 everything is there; 2 something is missing and cannot be installed, and one line says what.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, NoReturn

from swarmer.adapters import process
from swarmer.core.errors import UserError
from swarmer.local import environment, host
from swarmer.providers.vm import emulator
from tests.node.conftest import ConsulServer
from tests.node.lab import tiny_image

Step = Callable[[], object]
"""Installs something, or uses what was installed; raises UserError or process.Failed."""

BUSYBOX: Final = ("busybox", "busybox-static")
CURL: Final = ("curl", "curl")
DIG: Final = ("dig", "bind9-dnsutils")
EXT4: Final = ("mkfs.ext4", "e2fsprogs")
GIT: Final = ("git", "git")
IP: Final = ("ip", "iproute2")
MMDEBSTRAP: Final = ("mmdebstrap", "mmdebstrap")
PS: Final = ("ps", "procps")
VAGRANT: Final = ("vagrant", "vagrant")


def packages(*wanted: tuple[str, str]) -> Step:
    """Install Debian packages whose command is missing: `(command, package)`."""
    return partial(host.ensure_packages, *wanted)


def _root() -> None:
    if os.geteuid() != 0:
        raise UserError("only root can make a Debian in a folder: sudo make test-fresh")


def _emulator() -> None:
    emulator.ensure_tools(environment.CACHE, lambda _: None)


_UNITS: Final = (
    packages(BUSYBOX, DIG, IP, MMDEBSTRAP, PS, VAGRANT),
    host.ensure_engine_commands,
    host.ensure_engine,
)
"""Tests with daemons of their own, and Vagrant's; a cluster needs no more."""

STEPS: Final[Mapping[str, tuple[Step, ...]]] = {
    "test": _UNITS,
    "test-units": _UNITS,
    "test-cluster": (packages(MMDEBSTRAP, PS), host.ensure_engine),
    "test-losses": (packages(MMDEBSTRAP, VAGRANT), host.ensure_engine),
    "test-templates": (),
    "test-recovery": (packages(MMDEBSTRAP), host.ensure_engine),
    "test-vm": (packages(MMDEBSTRAP, EXT4), host.ensure_engine_commands, _emulator),
    "test-docs": (
        packages(CURL, DIG, ("zsh", "zsh"), ("fish", "fish"), ("docker-compose", "docker-compose")),
        host.ensure_engine,
    ),
    "test-examples": (packages(CURL, DIG, MMDEBSTRAP), host.ensure_engine),
    "test-vagrant": (packages(MMDEBSTRAP, VAGRANT), host.ensure_engine),
    "test-changes": (host.ensure_engine,),
    "test-smoke": (packages(MMDEBSTRAP), host.ensure_engine),
    "test-fresh": (packages(MMDEBSTRAP, GIT), _root),
    "bench-up": (packages(GIT, ("make", "make")), host.ensure_engine),
    "bench-failover": (host.ensure_engine,),
    "bench-status": (host.ensure_engine,),
    "bench-rest": (host.ensure_engine,),
    "bench-registrator": (packages(BUSYBOX), host.ensure_engine, ConsulServer.binary, tiny_image),
    "bench-healing": (packages(MMDEBSTRAP), host.ensure_engine, ConsulServer.binary),
    "faults": (host.ensure_engine,),
}
"""Make target to its steps, in this order. A step also uses what was installed, as `tiny_image` does."""


def ensure(target: str) -> None:
    """Take every step of a make target. Raises UserError, process.Failed."""
    for step in STEPS[target]:
        step()


def ensure_or_exit(target: str) -> None:
    """Run `ensure`; if a step fails, one line says why, and the program ends with exit status 2."""
    try:
        ensure(target)
    except (UserError, process.Failed) as exc:
        _refuse(target, str(exc))


def _refuse(target: str, why: str) -> NoReturn:
    print(f"{target}: {' '.join(why.split())}", file=sys.stderr)  # noqa: T201
    sys.exit(2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("target", choices=STEPS)
    ensure_or_exit(parser.parse_args().target)


if __name__ == "__main__":
    main()
