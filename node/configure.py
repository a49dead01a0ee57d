"""Writes the configuration of Consul, dockerd, resolved and the registry; runs once per boot.

Exit status 1 means that the machine cannot be a node. It is then considered dead and is replaced.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
import time
from pathlib import Path
from typing import Final

from node import former_life
from node.machine import Unusable, log, read_machine
from swarmer.adapters import process
from swarmer.adapters.files import ensure_file
from swarmer.core import configuration, names
from swarmer.core.configuration import Machine
from swarmer.core.node import CONSUL_SERVER, SWARM_MANAGER, ProviderView

ETC = Path("/etc")
"""Folder of the configuration files."""
QUORUM: Final = frozenset((CONSUL_SERVER, SWARM_MANAGER))
"""Roles whose nodes belong to a quorum."""
PROVIDER_TIMEOUT_S: Final = 120.0
"""Timeout for the provider to report whether the cluster exists. After it the node is dead."""


def main() -> int:
    """Run the configuration: entry point of swarmer-configure.service."""
    try:
        machine = read_machine()
        view = fetch_provider_view(machine)
        configure(machine, consul_version(), engine_version(), is_initialized=view.is_initialized)
        forget(machine, view)
    except (Unusable, process.Failed, OSError) as exc:
        log(f"dead: {exc}")
        return 1
    log(f"configured as {machine.name}, {machine.address}, {' '.join(machine.node.roles)}")
    return 0


def forget(machine: Machine, view: ProviderView) -> None:
    """Remove what this node declared in Consul before its boot, from its own disk and from the catalogue."""
    former_life.forget_services()
    if former_life.is_reboot():
        number = former_life.withdraw_services(machine.name, view.peers)
        if number is None and view.peers:
            log("no peer answered about what this node declared before its boot; the agent goes on")
        elif number:
            log(f"took {number} services of the time before its boot out of Consul")


def fetch_provider_view(machine: Machine) -> ProviderView:
    """Return the provider's view and keep it for the agent. Nodes outside the quorums get an empty view.

    Consul servers and Swarm managers cannot start without it. Raises Unusable after PROVIDER_TIMEOUT_S.
    """
    if not QUORUM.intersection(machine.node.roles):
        return ProviderView()
    deadline_s = time.monotonic() + PROVIDER_TIMEOUT_S
    environment = os.environ | machine.identity.endpoints.environment(machine.identity.region)
    while True:
        try:
            text = process.run([sys.executable, "-m", "node.cloud", "describe"], env=environment)
            view = ProviderView.from_json(text)
        except (process.Failed, ValueError, KeyError, TypeError) as exc:
            if time.monotonic() > deadline_s:
                raise Unusable(
                    f"the provider does not report whether this cluster was initialized: {exc}"
                ) from exc
            log(f"waits for the provider: {exc}")
            time.sleep(1)
            continue
        ensure_file(Path(names.PROVIDER_VIEW), text)
        return view


def configure(
    machine: Machine,
    consul: configuration.Version,
    engine: configuration.Version,
    etc: Path = ETC,
    *,
    is_initialized: bool = False,
) -> None:
    """Write every file below `etc` whose content differs, and reload the daemons that already run."""
    ensure_hostname(machine.name, etc)
    ensure_file(
        etc / "consul.d/swarmer.json",
        _json(configuration.consul(machine, consul, is_initialized=is_initialized)),
    )
    ensure_file(etc / "docker/daemon.json", _json(configuration.dockerd(machine, engine)))
    environment = machine.identity.endpoints.environment(machine.identity.region)
    ensure_file(etc / "swarmer/ground.env", "".join(f"{key}={value}\n" for key, value in environment.items()))
    if SWARM_MANAGER in machine.node.roles:
        ensure_file(etc / "swarmer/registry.yml", configuration.registry(machine))
    if ensure_file(etc / "systemd/resolved.conf.d/swarmer.conf", configuration.resolved(machine)):
        process.run(["systemctl", "restart", "systemd-resolved"])
    ensure_resolv_conf(etc / "resolv.conf")


def consul_version() -> configuration.Version:
    """Return the version of the installed Consul binary as numbers: (1, 8, 7)."""
    return _version_of("/usr/local/bin/consul", "version")


def engine_version() -> configuration.Version:
    """Return the version of the installed dockerd as numbers: (26, 1, 5)."""
    return _version_of("dockerd", "--version")


def _version_of(*argv: str) -> configuration.Version:
    """Return the version from a program's first line. Raises Failed."""
    first = next(iter(process.run(argv).splitlines()), "")
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", first)
    if not found:
        raise process.Failed(f"{' '.join(argv)}: {first!r} names no version")
    return tuple(int(number) for number in found.groups())


def ensure_hostname(name: str, etc: Path) -> bool:
    """Set the host name: the node's name in Consul and Swarm. cloud-init is configured to keep it."""
    if socket.gethostname() == name:
        return False
    socket.sethostname(name)
    if (etc / "hostname").is_mount():
        (etc / "hostname").write_text(f"{name}\n")
    else:
        ensure_file(etc / "hostname", f"{name}\n")
    return True


def ensure_resolv_conf(path: Path) -> bool:
    """Point every program on the node at resolved. In a node container the file is a mount, so the function
    writes into it."""
    text = "nameserver 127.0.0.53\noptions edns0 trust-ad\n"
    if path.is_symlink() or path.read_text() == text:
        return False
    path.write_text(text)
    return True


def _json(value: object) -> str:
    return json.dumps(value, indent=1) + "\n"


if __name__ == "__main__":
    sys.exit(main())
