"""EC2 instance types and images for nodes, and their processor.

Source of the names: Amazon EC2 User Guide, "Amazon EC2 instance type naming conventions".
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from swarmer.core.validation import InvalidValue, listed, shown

FORM: Final = re.compile(
    r"[a-z][a-z0-9]*(-[a-z0-9]+)*\.(nano|micro|small|medium|large|[0-9]*xlarge|metal(-[0-9]+xl)?)"
)
"""Form of an instance type: family, and size."""
GRAVITON: Final = re.compile(r"[a-z]+\d+[a-z]*g[a-z]*")
"""Families with Graviton: `g` is among the letters after the generation, for example m7g, im4gn, g5g."""
GRACE: Final = re.compile(r"p\d+e?-gb\d+")
"""Families with NVIDIA's Grace, for example p6e-gb200."""
MOST: Final = 40
"""Largest number of types of an Auto Scaling group (AWS CDK, `LaunchTemplateOverrides`)."""
AMI: Final = re.compile(r"ami-([0-9a-f]{8}|[0-9a-f]{17})")
"""Form of the ID of an AMI."""


class Architecture(StrEnum):
    """Processor of a machine, by Debian's name."""

    AMD64 = "amd64"
    ARM64 = "arm64"


def image_parameter(processor: Architecture) -> str:
    """Name of the public SSM parameter with Debian's newest image (debian-cloud-images, put_ssm.py)."""
    return f"/aws/service/debian/release/13/latest/{processor}"


def valid(value: object) -> str:
    """Return the value if it names a type that can run Linux. Raises InvalidValue."""
    if not isinstance(value, str) or not FORM.fullmatch(value):
        raise InvalidValue(
            f"{shown(value)} is no EC2 instance type", "write family.size, for example t3.small"
        )
    if value.startswith("mac"):
        raise InvalidValue(f"{shown(value)} runs macOS only", "take a type for Linux, for example t3.small")
    return value


def one_or_several(value: object) -> str | tuple[str, ...]:
    """Return the value if it is a valid type, or a list of such types with one processor.

    A list of one becomes the type alone. Raises InvalidValue.
    """
    if not isinstance(value, list | tuple):
        return valid(value)
    types = tuple(map(valid, value))
    if not 1 <= len(types) <= MOST:
        raise InvalidValue(f"{len(types)} instance types are listed", f"list 1 to {MOST}")
    if twice := sorted({each for each in types if types.count(each) > 1}):
        raise InvalidValue(f"{listed(twice)} is listed twice", "list each type once")
    by_processor = {architecture(each): each for each in reversed(types)}
    if len(by_processor) > 1:
        examples = [f"{each} ({processor})" for processor, each in sorted(by_processor.items())]
        message = f"the types have different processors: {listed(examples)}"
        raise InvalidValue(message, "take types with one processor, because a group has one image")
    return types if len(types) > 1 else types[0]


def architecture(instance_type: str) -> Architecture:
    """Return the processor of a type that `valid` has returned."""
    family = instance_type.partition(".")[0]
    is_arm = family == "a1" or GRAVITON.fullmatch(family) or GRACE.fullmatch(family)
    return Architecture.ARM64 if is_arm else Architecture.AMD64


def image(value: object) -> str | None:
    """Return the value if it has the form of an AMI's ID, or is None. Raises InvalidValue."""
    if value is None:
        return None
    if not isinstance(value, str) or not AMI.fullmatch(value):
        raise InvalidValue(f"{shown(value)} is no ID of an AMI", "write one, like ami-0123456789abcdef0")
    return value
