"""The CDK's opinion on the processor of an instance type, beside ours."""

from __future__ import annotations

from aws_cdk import aws_ec2 as ec2

from swarmer.core import instance_types
from swarmer.core.instance_types import Architecture
from tests.core.test_instance_types import LINUX


def test_the_cdk_says_the_same_of_the_types_that_it_knows() -> None:
    """The CDK knows one size of each family here, and its rule reads only the family."""
    of_family = {each.partition(".")[0]: each for each in LINUX}
    known = {}
    for each in of_family.values():
        try:
            known[each] = ec2.InstanceType(each).architecture
        except RuntimeError:  # MalformedInstanceTypeIdentifier, for example u7i-6tb
            continue
    assert len(known) > 150
    arm = {each for each, found in known.items() if found is ec2.InstanceArchitecture.ARM_64}
    assert arm == {each for each in known if instance_types.architecture(each) is Architecture.ARM64}
