"""Renderer of the user-data of nodes, for all providers.

Standard library only. The templates are below `cloudinit/`.
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
"""Folder of the templates."""
TEMPLATE: Final = FOLDER / "user-data.yaml"
"""Template of the whole user-data."""
FETCH_ASSET: Final = FOLDER / "fetch-asset.sh"
"""Template of the script that fetches the node software from S3."""
SESSION_MANAGER: Final = FOLDER / "session-manager.sh"
"""Template of the script that installs the agent of AWS Session Manager."""
LIMIT_BYTES: Final = 12 * 1024
"""Largest size of the user-data, in bytes. EC2 accepts 16 KiB. The rest is for manual additions."""
NFS: Final = "nfs"
"""Kind of a share that the machine mounts from an NFS server."""
VIRTIOFS: Final = "virtiofs"
"""Kind of a share that the machine mounts from its host."""
MOUNTED: Final = "mounted"
"""Kind of a share that the creator of the machine mounts."""


@dataclass(frozen=True, kw_only=True)
class Software:
    """Archive of the node software in S3; a stock image installs it at its first boot."""

    bucket: str
    key: str
    packages: str
    """Key of the archive with the Python packages."""
    region: str
    url_suffix: str
    """Domain of the region's S3: amazonaws.com, or amazonaws.com.cn in China."""
    digest: str
    """Digest of the files (`software.digest()`). An image with the same digest installs nothing."""

    template = FETCH_ASSET


@dataclass(frozen=True, kw_only=True)
class CarriedSoftware:
    """Archive of the node software as a file on the volume with the machine's seed."""

    label: str
    file: str
    digest: str

    template = FOLDER / "fetch-volume.sh"


@dataclass(frozen=True, kw_only=True)
class DownloadedSoftware:
    """Archive of the node software at a URL of the operator."""

    url: str
    sha256: str
    """SHA-256 of the archive, hexadecimal."""
    digest: str

    template = FOLDER / "fetch-url.sh"


AnySoftware = Software | CarriedSoftware | DownloadedSoftware


@dataclass(frozen=True, kw_only=True)
class Share:
    """Folder that all machines of a cluster without AWS share, mounted at `names.SHARE`."""

    kind: str = ""
    """Kind of the share: NFS, VIRTIOFS or MOUNTED; empty: the disk of the only machine."""
    source: str = ""
    """Source as in /etc/fstab: `HOST:/PATH`, or the tag of a virtiofs."""


def is_share_source(text: str) -> bool:
    """Whether the text is safe in /etc/fstab and in a shell, as the source of a mount."""
    return re.fullmatch(r"[A-Za-z0-9_.:/\[\]@+-]+", text) is not None


def render(node: NodeDescription, software: AnySoftware, share: Share | None = None) -> str:
    """User-data of a group or of a machine: `#cloud-config` text, under LIMIT_BYTES.

    Values may contain unresolved CloudFormation tokens, because nothing here depends on their content.
    """
    return Template(TEMPLATE.read_text()).substitute(
        node_json=_indent(node.to_json(), 6),
        node_description=names.NODE_DESCRIPTION,
        install_root=names.INSTALL_ROOT,
        digest_file=names.SOFTWARE_DIGEST,
        target=names.TARGET,
        digest=software.digest,
        share=_indent(_mount(node, share), 4),
        first=_indent(_first(software), 6),
        give_up="shutdown -h now" if isinstance(software, Software) else ":",
        fetch=_indent(_filled(software.template, **asdict(software)), 6),
    )


def _first(software: AnySoftware) -> str:
    """Shell commands that run before all others: on AWS, they make sessions possible."""
    return _filled(SESSION_MANAGER, **asdict(software)) if isinstance(software, Software) else ":"


def _mount(node: NodeDescription, share: Share | None) -> str:
    """Shell commands for the share, after a line break; "" if the cluster uses S3 instead."""
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
