"""`debian:trixie-slim` where no registry of images can be reached: made from Debian packages.

It holds every package that an example's Dockerfile installs, so that `apt-get install` finds it there; and no
source, so that `apt-get update` asks nobody.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import subprocess
from pathlib import Path
from typing import Final

from swarmer.adapters import process
from swarmer.local import debian, engine, node_image
from tests.examples.page import EXAMPLES

NAME: Final = "debian:trixie-slim"
PURPOSE: Final = "swarmer/examples-base"
LEFT_OUT: Final = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*")


def packages(dockerfile: Path) -> set[str]:
    """Packages that a Dockerfile installs."""
    lines: list[str] = re.findall(
        r"apt-get install -qy --no-install-recommends ([a-z0-9 .+-]+)", dockerfile.read_text()
    )
    return {name for line in lines for name in line.split()}


def ensure_base(folder: Path) -> str:
    """Make the image unless this machine's engine has it; its tag."""
    wanted = sorted(set().union(*(packages(path) for path in EXAMPLES.glob("*/Dockerfile"))))
    tag = f"{PURPOSE}:{hashlib.sha256(' '.join(wanted).encode()).hexdigest()[:12]}"
    if not node_image.exists(tag):
        archive = folder / "base.tar"
        process.run(
            [
                *("mmdebstrap", "-q", "--variant=minbase", f"--include={','.join(wanted)}"),
                *(f"--dpkgopt=path-exclude={path}" for path in LEFT_OUT),
                '--customize-hook=rm -rf "$1"/etc/apt/sources.list*',
                *(node_image.SUITE, str(archive), "-"),
            ],
            stdin=debian.sources(node_image.SUITE).encode(),
            timeout_s=900,
        )
        engine.docker("import", str(archive), tag, timeout_s=300)
        archive.unlink()
        _remove_others(tag)
    return tag


def _remove_others(wanted: str) -> None:
    """Images of other contents, where no container needs them."""
    for image in engine.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", PURPOSE).split():
        if image != wanted:
            with contextlib.suppress(process.Failed):
                engine.docker("image", "rm", image)


def lend_base(tag: str, docker_host: str) -> None:
    """Load it into another engine, under the name that Dockerfiles start from."""
    with subprocess.Popen(
        ["docker", "save", tag], env=engine.docker_environment(), stdout=subprocess.PIPE
    ) as saved:
        subprocess.run(["docker", "-H", docker_host, "load", "-q"], stdin=saved.stdout, check=True)
    subprocess.run(["docker", "-H", docker_host, "tag", tag, NAME], check=True)
