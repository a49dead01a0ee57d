"""Disk of a virtual machine: Debian, its stock cloud kernel, node/install.sh; cached by its content.

It needs no boot loader: QEMU loads the kernel and the initial RAM disk.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from swarmer.adapters import process
from swarmer.core import names, software
from swarmer.local import consul_binary, debian, host, node_image
from swarmer.local.node_image import Progress

PACKAGES: Final = (
    *node_image.EXTRA_PACKAGES,
    "linux-image-cloud-amd64",
    # Parts of a cloud image that `minbase` lacks: device nodes, a correct time, fsck.
    "udev",
    "systemd-timesyncd",
    "e2fsprogs",
)
DISK_SIZE: Final = "6G"
"""Size of the disk. The file is sparse, so it takes only the tree's space."""
CACHED: Final = "vm-"

# mmdebstrap runs this in the tree. Debian's cloud images enable systemd-networkd, but `minbase` does not. It
# brings the network up with cloud-init's settings.
INSTALL: Final = """
set -eu
cp -R "$CONTEXT" "$1/usr/src/swarmer"
chroot "$1" env SWARMER_WHEELS=/usr/src/swarmer/wheels SWARMER_CONSUL=/usr/src/swarmer/consul \
    sh /usr/src/swarmer/node/install.sh "$DIGEST"
chroot "$1" systemctl enable -q systemd-networkd.service
rm -rf "$1/usr/src/swarmer"
echo '/dev/vda / ext4 defaults 0 1' > "$1/etc/fstab"
# mmdebstrap left this machine's own here.
echo localhost > "$1/etc/hostname"
rm -f "$1/etc/resolv.conf"
"""


@dataclass(frozen=True)
class Image:
    """Folder of the cache; its files never change."""

    folder: Path

    @property
    def disk(self) -> Path:
        return self.folder / "disk.img"

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.folder / "initrd.img"

    @property
    def probe(self) -> Path:
        """Container image of every node, in the format of `docker import`."""
        return self.folder / "probe.tar"


def key() -> str:
    """Hash of the disk's sources."""
    packages = (software.ROOT / "node/packages.txt").read_text()
    parts = (node_image.SUITE, *PACKAGES, packages, software.digest(), consul_binary.chosen().sha256, INSTALL)
    return hashlib.sha256("\n".join((*parts, DISK_SIZE)).encode()).hexdigest()[:12]


def ensure_image(cache: Path, progress: Progress) -> Image:
    """Build the disk unless the cache has it. Raises process.Failed, UserError."""
    wanted = cache / f"{CACHED}{key()}"
    if wanted.exists():
        return Image(wanted)
    host.ensure_packages(("mmdebstrap", "mmdebstrap"), ("mkfs.ext4", "e2fsprogs"))
    cache.mkdir(parents=True, exist_ok=True)
    consul = node_image.ensure_consul(cache, progress)
    wheels = node_image.ensure_wheels(progress)
    with tempfile.TemporaryDirectory(dir=cache) as held:
        context, tree, fresh = (Path(held) / name for name in ("context", "tree", "fresh"))
        _fill_context(context, consul, wheels)
        progress(f"makes the tree: Debian {node_image.SUITE}, its cloud kernel, the node software")
        _make_tree(tree, context)
        progress("makes the disk")
        _make_disk(tree, Image(fresh))
        _remove_older(cache)
        fresh.rename(wanted)
    return Image(wanted)


def _fill_context(context: Path, consul: Path, wheels: Path) -> None:
    node_image.copy_software(context)
    shutil.copytree(wheels, context / "wheels")
    shutil.copy(consul, context / "consul")


def _make_tree(tree: Path, context: Path) -> None:
    """Make the root file system as a folder."""
    wanted = [*PACKAGES, *(software.ROOT / "node/packages.txt").read_text().split()]
    # sh reads its script from a file, because the only argument of mmdebstrap's hooks is the tree.
    hook = context.with_name("install.sh")
    hook.write_text(f"#!/bin/sh\nCONTEXT={context} DIGEST={software.digest()}\n{INSTALL}")
    hook.chmod(0o755)
    process.run(
        [
            *("mmdebstrap", "-q", "--mode=root", "--variant=minbase", f"--include={','.join(wanted)}"),
            *(f"--customize-hook={hook}", node_image.SUITE, str(tree), "-"),
        ],
        stdin=debian.sources(node_image.SUITE).encode(),
        timeout_s=1800,
    )


def _make_disk(tree: Path, image: Image) -> None:
    image.folder.mkdir()
    shutil.copy(_only(tree, "vmlinuz-*"), image.kernel)
    shutil.copy(_only(tree, "initrd.img-*"), image.initrd)
    shutil.copy(tree / names.INSTALL_ROOT.lstrip("/") / "probe.tar", image.probe)
    process.run(["mkfs.ext4", "-q", "-d", str(tree), str(image.disk), DISK_SIZE], timeout_s=600)


def _only(tree: Path, pattern: str) -> Path:
    (found,) = (tree / "boot").glob(pattern)
    return found


def _remove_older(cache: Path) -> None:
    """Remove disks of earlier versions of the software."""
    for folder in cache.glob(f"{CACHED}*"):
        shutil.rmtree(folder)
