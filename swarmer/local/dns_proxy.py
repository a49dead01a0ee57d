"""Image of dns-proxy-compose.yml, `swarmer/dns-proxy`: Debian's dnsmasq, busybox, one script.

`swarmer dns-proxy` makes it without a registry: it only unpacks Debian packages.
"""

from __future__ import annotations

import io
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from swarmer.adapters import process
from swarmer.core import software
from swarmer.local import debian, host
from swarmer.local.engine import docker
from swarmer.local.node_image import SUITE

IMAGE: Final = "swarmer/dns-proxy"
PACKAGES: Final = "dnsmasq-base,busybox-static"
USERS: Final = {"etc/passwd": "nobody:x:65534:65534::/:\n", "etc/group": "nogroup:x:65534:\n"}
SCRIPT: Final = software.ROOT / "dns-proxy/serve.sh"


def make_image() -> str:
    """Make the image and return its name. Raises UserError if a package is missing, and process.Failed."""
    host.ensure_engine()
    host.ensure_packages(("mmdebstrap", "mmdebstrap"))
    with tempfile.TemporaryDirectory() as held:
        tree = Path(held) / "root.tar"
        process.run(
            ["mmdebstrap", "-q", "--variant=extract", f"--include={PACKAGES}", SUITE, str(tree), "-"],
            stdin=debian.sources(SUITE).encode(),
            timeout_s=300,
        )
        with tarfile.open(tree, "a") as archive:
            # Unpacked packages are not merged into /usr yet.
            for name in {"bin", "sbin", "lib", "lib64"} - set(archive.getnames()):
                link = tarfile.TarInfo(name)
                link.type, link.linkname = tarfile.SYMTYPE, f"usr/{name}"
                archive.addfile(link)
            for name, text in USERS.items():
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(text), 0o644
                archive.addfile(entry, io.BytesIO(text.encode()))
            archive.add(SCRIPT, "serve.sh")
        command = 'ENTRYPOINT ["/bin/busybox", "sh", "/serve.sh"]'
        docker("import", "-c", command, str(tree), IMAGE, timeout_s=300)
    return IMAGE
