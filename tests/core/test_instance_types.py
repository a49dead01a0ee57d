"""EC2 instance types, against the list that botocore has from AWS."""

from __future__ import annotations

import botocore.session
import pytest

from swarmer.core import instance_types
from swarmer.core.instance_types import Architecture
from swarmer.core.validation import InvalidValue

SOLD: tuple[str, ...] = tuple(
    botocore.session.get_session().get_service_model("ec2").shape_for("InstanceType").enum
)
"""Every instance type of EC2."""
LINUX = tuple(each for each in SOLD if not each.startswith("mac"))


def test_every_type_that_ec2_sells_is_valid_if_it_runs_linux() -> None:
    assert len(LINUX) > 1300
    assert [instance_types.valid(each) for each in LINUX] == list(LINUX)


def test_macs_are_refused_because_they_run_macos_only() -> None:
    macs = sorted(set(SOLD) - set(LINUX))
    assert macs
    for each in macs:
        with pytest.raises(InvalidValue, match="runs macOS only"):
            instance_types.valid(each)


@pytest.mark.parametrize(
    "instance_type",
    ["a1.medium", "t4g.small", "m7gd.large", "c8gn.48xlarge", "im4gn.large", "is4gen.large", "g5g.xlarge",
     "hpc7g.4xlarge", "i8ge.large", "x2gd.metal", "p6e-gb200.36xlarge"],
)  # fmt: skip
def test_graviton_and_grace_are_arm(instance_type: str) -> None:
    assert instance_type in SOLD
    assert instance_types.architecture(instance_type) is Architecture.ARM64


@pytest.mark.parametrize(
    "instance_type",
    ["t3.small", "g4dn.xlarge", "g6e.xlarge", "gr6.4xlarge", "m8azn.large", "u-6tb1.112xlarge",
     "u7i-6tb.112xlarge", "u7in-16tb.224xlarge", "p6-b200.48xlarge", "c7i-flex.large"],
)  # fmt: skip
def test_the_others_are_x86(instance_type: str) -> None:
    assert instance_type in SOLD
    assert instance_types.architecture(instance_type) is Architecture.AMD64


@pytest.mark.parametrize("value", ["ami-0123456789abcdef0", "ami-01234567", None])
def test_an_image_is_the_id_of_an_ami_or_none_is_given(value: str | None) -> None:
    assert instance_types.image(value) == value


@pytest.mark.parametrize("value", ["debian-13", "ami-", "ami-0123456789ABCDEF0", "ami-012345678", "/a/b", 7])
def test_anything_else_is_no_image(value: object) -> None:
    with pytest.raises(InvalidValue, match="is no ID of an AMI; write one, like ami-0123456789abcdef0"):
        instance_types.image(value)
