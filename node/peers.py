"""Prints the addresses of the cluster's machines as JSON.

A program of its own, so that the AWS SDK stays in no node's memory.
"""

from __future__ import annotations

import json
import sys

from node.machine import Unusable, read
from swarmer.adapters import aws


def main() -> int:
    """Exit status 1 with one line on stderr where the peers cannot be found."""
    try:
        machine = read()
        found = machine.node.peers or aws.peer_addresses(machine.node.cluster, machine.identity.region)
    except (Unusable, aws.Unavailable) as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    sys.stdout.write(json.dumps([address for address in found if address != machine.address]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
