"""Daemon that serves as AWS on this machine: the simulated AWS, its node containers and its functions.

python -m swarmer.providers.rehearsal.daemon --listen 127.0.0.1:4566 --listen 10.42.0.1:4566
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import logging
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

from swarmer.fakeaws.base.errors import ListenError
from swarmer.fakeaws.daemon import offline
from swarmer.fakeaws.daemon.server import Server

INVALID_INPUT = 2
"""Exit status for invalid input, such as a port that is taken."""


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    _log_to_stderr(verbose=options.verbose)
    began = time.monotonic()
    stop = _stop_event()
    try:
        server = Server(options.listen)
    except ListenError as exc:
        sys.stderr.write(f"swarmer: AWS on this machine: {exc}\n")
        return INVALID_INPUT
    with _written(options.pid_file, f"{os.getpid()}\n"):
        offline.refuse_connections()
        with _without_garbage_collection():
            server.start()
        ready = {"pid": os.getpid(), "url": server.url, "listen": [str(each) for each in server.addresses]}
        ready["start_s"] = round(time.monotonic() - began, 2)
        with _written(options.ready_file, json.dumps(ready) + "\n"):
            sys.stdout.write(f"ready {server.url}\n")
            sys.stdout.flush()
            with _machines_and_functions(options.environment):
                stop.wait()
        server.stop()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m swarmer.providers.rehearsal.daemon", description="AWS on this machine."
    )
    parser.add_argument(
        "--listen", action="append", required=True, metavar="HOST:PORT", help="may be given more than once"
    )
    parser.add_argument("--pid-file", type=Path, help="written at once, removed at the end")
    parser.add_argument("--ready-file", type=Path, help="JSON, appears when requests are answered")
    parser.add_argument(
        "--environment", type=Path, help="JSON, of the cluster whose instances get machines here"
    )
    parser.add_argument("--verbose", action="store_true", help="log more to stderr")
    return parser


@contextlib.contextmanager
def _machines_and_functions(path: Path | None) -> Iterator[None]:
    """Run the machines of the instances, and the functions, until the end of the context."""
    if path is None:
        yield
        return
    # These modules import moto, and moto is not loaded before this point.
    from swarmer.fakeaws.ec2 import describe, instances, network_interfaces, security_groups
    from swarmer.fakeaws.lambda_ import functions
    from swarmer.providers.rehearsal.machine_controller import Machines
    from swarmer.providers.rehearsal.packet_filters import PacketFilters
    from swarmer.providers.rehearsal.runtime.pool import Pool

    filters = PacketFilters(network_interfaces.deployed)
    machines, pool = Machines(path, describe.cluster_instances, filters), Pool(path, filters)
    functions.runner, instances.read_console = pool, machines.console
    instances.reboot_machine = machines.reboot
    for observers in (instances.observers, security_groups.observers):
        observers.append(machines.notify)
    machines.start()
    yield
    machines.stop()
    pool.close()


def _stop_event() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _log_to_stderr(*, verbose: bool) -> None:
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(name)s %(levelname)s %(message)s"
    )
    logging.getLogger("swarmer").setLevel(logging.DEBUG if verbose else logging.WARNING)
    if not verbose:
        warnings.simplefilter("ignore")  # moto warns of its own gaps; /swarmer/not-rehearsed lists those


@contextlib.contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Disable garbage collection: moto makes a million lasting objects, so a collection frees nothing."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextlib.contextmanager
def _written(path: Path | None, text: str) -> Iterator[None]:
    """Write the file atomically, for the duration of the context."""
    if path is None:
        yield
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text)
    draft.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
