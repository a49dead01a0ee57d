"""Memory and CPU of the programs on a node, read from inside it."""

from __future__ import annotations

import json
from typing import Final

from swarmer.local import engine

OURS: Final = ("node.agent", "node.registrator", "node.registry", "docker-registry")
OTHERS: Final = ("consul agent", "dockerd", "containerd")
SAMPLE: Final = r"""
import json, os, pathlib
programs, found = PROGRAMS, {}
for process in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        rows = (process / "smaps_rollup").read_text().splitlines()
        times = (process / "stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        continue
    for program in programs:
        if program in words and "shim" not in words:
            kilobytes, ticks = found.get(program, (0, 0))
            kilobytes += sum(int(row.split()[1]) for row in rows if row.startswith("Pss:"))
            # Its own and its ended children's.
            found[program] = (kilobytes, ticks + sum(map(int, times[11:15])))
            break
hertz = os.sysconf("SC_CLK_TCK")
print(json.dumps({name: [kb / 1024, ticks / hertz] for name, (kb, ticks) in found.items()}))
"""


def sample(container: str) -> dict[str, tuple[float, float]]:
    """PSS in MB and seconds of CPU so far, of each running program. Raises process.Failed."""
    script = SAMPLE.replace("PROGRAMS", repr((*OURS, *OTHERS)))
    found = json.loads(engine.docker("exec", container, "python3", "-c", script))
    return {name: (mb, cpu_s) for name, (mb, cpu_s) in found.items()}
