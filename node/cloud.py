"""What the ground knows of the cluster: its machines, and whether it was ever founded.

    python -m node.cloud look        prints a CloudView as JSON
    python -m node.cloud mark ID     writes the cluster's identity, unless one is there

A program of its own, so that the AWS SDK stays in no node's memory.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from node.machine import Unusable, read
from swarmer.adapters import aws
from swarmer.adapters.files import ensure_file
from swarmer.core.configuration import Machine
from swarmer.core.node import UNFOUNDED, CloudView

FILE: Final = "file:"


def main(arguments: list[str]) -> int:
    """Exit status 1 with one line on stderr where the ground does not answer."""
    try:
        machine = read()
        if arguments[0] == "mark":
            mark(machine, arguments[1])
        else:
            sys.stdout.write(look(machine).to_json())
    except (Unusable, aws.Unavailable, OSError) as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    return 0


def look(machine: Machine) -> CloudView:
    """Ask the AWS APIs, only as far as the description does not say it."""
    node, region = machine.node, machine.identity.region
    peers = node.peers or aws.peer_addresses(node.cluster, region)
    identity = _known(node.identity, region) if node.identity else UNFOUNDED
    return CloudView(peers=tuple(peer for peer in peers if peer != machine.address), identity=identity)


def _known(where: str, region: str) -> str:
    """The identity in an SSM parameter, or in a file that the machine's host keeps: `file:PATH`."""
    if not where.startswith(FILE):
        return aws.parameter(where, region)
    path = Path(where.removeprefix(FILE))
    try:
        return path.read_text().strip() or UNFOUNDED
    except FileNotFoundError as exc:
        # A share that is not mounted must not look like a cluster that was never founded.
        if not path.parent.is_dir():
            raise Unusable(f"the folder of {path}, which the host keeps, is not there") from exc
        return UNFOUNDED


def mark(machine: Machine, identity: str) -> None:
    """Once in a cluster's life; the same id again changes nothing, another one is refused."""
    name, region = machine.node.identity, machine.identity.region
    if not name:
        return
    known = _known(name, region)
    if known == UNFOUNDED and name.startswith(FILE):
        ensure_file(Path(name.removeprefix(FILE)), f"{identity}\n")
    elif known == UNFOUNDED:
        aws.put_parameter(name, identity, region)
    elif known != identity:
        raise aws.Unavailable(f"{name} says that the cluster is {known}, not {identity}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
