"""Step of the command document in a test: python -m tests.fakeaws.remote_step GROUP ID SECONDS COMMAND

It is node.remote_command without a node: the log group comes from the command line.
"""

from __future__ import annotations

import os
import sys

from node.remote_command import run
from swarmer.adapters.log_stream import LogStream
from swarmer.core import remote_command


def main(group: str, command_id: str, seconds: str, encoded: str) -> int:
    stream = LogStream(group, command_id, os.environ["AWS_REGION"])
    stream.create()
    return run(remote_command.decode(encoded), limit_s=int(seconds) - remote_command.MARGIN_S, put=stream.put)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
