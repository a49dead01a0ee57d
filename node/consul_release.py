"""Fetches the pinned release of Consul; node/install.sh runs it with the system's Python.

    python3 -m node.consul_release TARGET

Exit status: 0 the program is at TARGET; 1 it could not be fetched now; 78 (EX_CONFIG) another attempt would
fail, too.
"""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

from swarmer.adapters import hashicorp


def main(target: str) -> int:
    """Fetch the program; a failure prints one line with the reason."""
    try:
        hashicorp.fetch_consul(platform.machine(), Path(target), os.environ)
    except hashicorp.Unreachable as exc:
        return _failed(exc, 1)
    except hashicorp.Refused as exc:
        return _failed(exc, os.EX_CONFIG)
    return 0


def _failed(exc: Exception, status: int) -> int:
    print(f"install: {exc}", file=sys.stderr)  # noqa: T201 - the output format of install.sh
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
