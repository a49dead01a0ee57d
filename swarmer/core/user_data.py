"""The one renderer of user-data, for every ground.

Standard library only. The templates are data, below `cloudinit/`.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from string import Template
from typing import Final

from swarmer.core import names
from swarmer.core.node import NodeDescription

FOLDER: Final = Path(__file__).parents[2] / "cloudinit"
TEMPLATE: Final = FOLDER / "user-data.yaml"
FETCH_ASSET: Final = FOLDER / "fetch-asset.sh"
LIMIT_BYTES: Final = 12 * 1024
"""EC2 takes 16 KiB; what a person adds by hand must still fit."""
NFS: Final = "nfs"
VIRTIOFS: Final = "virtiofs"
MOUNTED: Final = "mounted"


@dataclass(frozen=True, kw_only=True)
class Software:
    """The archive of the node software in S3, that a stock image installs at its first boot."""

    bucket: str
    key: str
    region: str
    digest: str
    """`software.digest()` of the tree; an image that carries this digest installs nothing."""

    template = FETCH_ASSET


@dataclass(frozen=True, kw_only=True)
class CarriedSoftware:
    """The archive as a file on the volume that the machine has its seed from."""

    label: str
    file: str
    digest: str

    template = FOLDER / "fetch-volume.sh"


@dataclass(frozen=True, kw_only=True)
class DownloadedSoftware:
    """The archive where a person has put it."""

    url: str
    sha256: str
    """Of the archive."""
    digest: str

    template = FOLDER / "fetch-url.sh"


AnySoftware = Software | CarriedSoftware | DownloadedSoftware


@dataclass(frozen=True, kw_only=True)
class Share:
    """A folder that all machines of a cluster without AWS share, mounted at `names.SHARE`."""

    kind: str = ""
    """NFS, VIRTIOFS, or MOUNTED by whoever makes the machine; empty: its own disk, of the only one."""
    source: str = ""
    """`HOST:/PATH`, or the tag of a virtiofs, as /etc/fstab wants it."""


def is_share_source(text: str) -> bool:
    """Whether `text` can stand in /etc/fstab and in a shell, as the source of a mount."""
    return re.fullmatch(r"[A-Za-z0-9_.:/\[\]@+-]+", text) is not None


def render(node: NodeDescription, software: AnySoftware, share: Share | None = None) -> str:
    """The user-data of a group or of a machine: `#cloud-config` text, under LIMIT_BYTES.

    Values may hold unresolved CloudFormation tokens: nothing here depends on their content.
    """
    return Template(TEMPLATE.read_text()).substitute(
        node_json=_indent(node.to_json(), 6),
        node_description=names.NODE_DESCRIPTION,
        install_root=names.INSTALL_ROOT,
        digest_file=names.SOFTWARE_DIGEST,
        target=names.TARGET,
        digest=software.digest,
        share=_indent(_mount(node, share), 4),
        fetch=_indent(_filled(software.template, **asdict(software)), 6),
    )


def _mount(node: NodeDescription, share: Share | None) -> str:
    """Lines of shell that begin with a new one; none where S3 takes the place of a share."""
    if share is None:
        return ""
    directory = names.share_directory(node.cluster)
    if not share.kind:
        return f"\nmkdir -p {directory}"
    values = {**asdict(share), "mount": names.SHARE, "directory": directory}
    parts = {MOUNTED: (), VIRTIOFS: ("share-fstab.sh",), NFS: ("share-fstab.sh", "share-nfs.sh")}[share.kind]
    before = "\n".join(_filled(FOLDER / part, **values) for part in parts)
    return "\n" + _filled(FOLDER / "share.sh", **values, before=before or ":")


def _filled(template: Path, **values: str) -> str:
    return Template(template.read_text()).substitute(values).rstrip()


def _indent(text: str, spaces: int) -> str:
    return text.replace("\n", "\n" + " " * spaces)
