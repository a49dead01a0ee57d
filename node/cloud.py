"""Client of the provider's record of the cluster: its machines, and whether its Swarm was ever initialized.

    python -m node.cloud describe    prints a ProviderView as JSON
    python -m node.cloud record ID   writes the cluster ID, unless one is recorded

A separate program keeps the AWS SDK out of the memory of the agent.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from node.machine import Unusable, read_machine
from swarmer.adapters import aws
from swarmer.adapters.files import ensure_file
from swarmer.core.configuration import Machine
from swarmer.core.node import UNFOUNDED, ProviderView

FILE: Final = "file:"
"""Prefix of a `node.identity` that names a file instead of an SSM parameter."""


def main(arguments: list[str]) -> int:
    """Run one command. Exit status 1, with one line on stderr, if the provider does not answer."""
    try:
        machine = read_machine()
        if arguments[0] == "record":
            record_cluster_id(machine, arguments[1])
        else:
            sys.stdout.write(describe(machine).to_json())
    except (Unusable, aws.Unavailable, OSError) as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    return 0


def describe(machine: Machine) -> ProviderView:
    """Return the provider's view of the cluster. AWS is asked only for values that the description lacks."""
    node, region = machine.node, machine.identity.region
    peers = node.peers or aws.peer_addresses(node.cluster, region)
    cluster_id = _recorded(node.identity, region) if node.identity else UNFOUNDED
    return ProviderView(peers=tuple(peer for peer in peers if peer != machine.address), cluster_id=cluster_id)


def _recorded(where: str, region: str) -> str:
    """Return the cluster ID from an SSM parameter, or from a file that the machine's host keeps:
    `file:PATH`."""
    if not where.startswith(FILE):
        return aws.parameter(where, region)
    path = Path(where.removeprefix(FILE))
    try:
        return path.read_text().strip() or UNFOUNDED
    except FileNotFoundError as exc:
        # A missing folder may be a share that is not mounted, so it must not count as an uninitialized
        # cluster.
        if not path.parent.is_dir():
            raise Unusable(f"the folder of {path}, which the host keeps, is not there") from exc
        return UNFOUNDED


def record_cluster_id(machine: Machine, cluster_id: str) -> None:
    """Record the cluster ID, once in a cluster's life.

    Recording the same ID again changes nothing. Raises aws.Unavailable if another ID is recorded.
    """
    name, region = machine.node.identity, machine.identity.region
    if not name:
        return
    known = _recorded(name, region)
    if known == UNFOUNDED and name.startswith(FILE):
        ensure_file(Path(name.removeprefix(FILE)), f"{cluster_id}\n")
    elif known == UNFOUNDED:
        aws.put_parameter(name, cluster_id, region)
    elif known != cluster_id:
        raise aws.Unavailable(f"{name} has the cluster ID {known}, not {cluster_id}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
