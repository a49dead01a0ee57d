"""`cdk` runs this: servers.yml in, CloudFormation out. Exit status 2: the description is invalid."""

from __future__ import annotations

import sys
from pathlib import Path

from stacks import app as stacks
from swarmer.core import description

ROOT = Path(__file__).parent


def main() -> int:
    app = stacks.new_app()
    path = Path(app.node.try_get_context("servers") or ROOT / "servers.yml")
    try:
        cluster = description.load(path)
    except description.Invalid as invalid:
        sys.stderr.writelines(f"{problem}\n" for problem in invalid.problems)
        return 2
    stacks.build(app, cluster)
    app.synth()
    return 0


if __name__ == "__main__":
    sys.exit(main())
