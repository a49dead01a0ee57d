"""What the ground knows of the cluster: its machines, and whether it was ever founded.

    python -m node.cloud look        prints a CloudView as JSON
    python -m node.cloud mark ID     writes the cluster's identity, unless one is there

A program of its own, so that the AWS SDK stays in no node's memory.
"""

from __future__ import annotations

import sys

from node.machine import Unusable, read
from swarmer.adapters import aws
from swarmer.core.configuration import Machine
from swarmer.core.node import UNFOUNDED, CloudView


def main(arguments: list[str]) -> int:
    """Exit status 1 with one line on stderr where the ground does not answer."""
    try:
        machine = read()
        if arguments[0] == "mark":
            mark(machine, arguments[1])
        else:
            sys.stdout.write(look(machine).to_json())
    except (Unusable, aws.Unavailable) as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    return 0


def look(machine: Machine) -> CloudView:
    """Ask the AWS APIs, only as far as the description does not say it."""
    node, region = machine.node, machine.identity.region
    peers = node.peers or aws.peer_addresses(node.cluster, region)
    identity = aws.parameter(node.identity, region) if node.identity else UNFOUNDED
    return CloudView(peers=tuple(peer for peer in peers if peer != machine.address), identity=identity)


def mark(machine: Machine, identity: str) -> None:
    """Once in a cluster's life; the same id again changes nothing, another one is refused."""
    name, region = machine.node.identity, machine.identity.region
    if not name:
        return
    known = aws.parameter(name, region)
    if known == UNFOUNDED:
        aws.put_parameter(name, identity, region)
    elif known != identity:
        raise aws.Unavailable(f"{name} says that the cluster is {known}, not {identity}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
