"""The one renderer of user-data, for every ground.

Standard library only. The template is data: `cloudinit/user-data.yaml`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final

from swarmer.core import names
from swarmer.core.node import NodeDescription

TEMPLATE: Final = Path(__file__).parents[2] / "cloudinit" / "user-data.yaml"
LIMIT_BYTES: Final = 12 * 1024
"""EC2 takes 16 KiB; what a person adds by hand must still fit."""


@dataclass(frozen=True, kw_only=True)
class Software:
    """The archive of the node software that a stock image installs at its first boot."""

    bucket: str
    key: str
    region: str
    digest: str
    """`software.digest()` of the tree; an image that carries this digest installs nothing."""


def render(node: NodeDescription, software: Software) -> str:
    """The user-data of one group: `#cloud-config` text, under LIMIT_BYTES.

    Values may hold unresolved CloudFormation tokens: nothing here depends on their content.
    """
    return Template(TEMPLATE.read_text()).substitute(
        node_json=_indent(node.to_json(), 6),
        node_description=names.NODE_DESCRIPTION,
        install_root=names.INSTALL_ROOT,
        digest_file=names.SOFTWARE_DIGEST,
        target=names.TARGET,
        bucket=software.bucket,
        key=software.key,
        region=software.region,
        digest=software.digest,
    )


def _indent(text: str, spaces: int) -> str:
    return text.replace("\n", "\n" + " " * spaces)
