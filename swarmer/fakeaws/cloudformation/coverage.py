"""Gaps of the rehearsal: parts of the deployed templates without an effect here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from moto.cloudformation import cloudformation_backends

from swarmer.fakeaws.base.preload import ACCOUNT
from swarmer.fakeaws.cloudformation.template import has_model

EMPTY_ON_AWS_TOO: Final = frozenset({"AWS::CDK::Metadata"})
"""Types that create nothing on AWS either."""
IGNORED_ATTRIBUTES: Final = ("CreationPolicy", "UpdatePolicy")
"""Attributes of resources that the rehearsal ignores."""
IGNORED_PROPERTIES: Final = {
    "AWS::AutoScaling::AutoScalingGroup": (
        "NotificationConfigurations",
        "CapacityRebalance",
    ),
}
"""Properties that the rehearsal ignores, by resource type."""
WITHOUT_EFFECT: Final = {
    "AWS::EC2::FlowLog": "no traffic is recorded",
    "AWS::EC2::NatGateway": "nodes reach the outside as the machine's containers do",
    "AWS::EC2::VPCEndpoint": "nodes reach the AWS APIs at the rehearsal's own address",
    "AWS::KMS::Key": "nothing is encrypted",
    "AWS::SNS::Topic": "alarms are not evaluated, so no target is notified",
    "AWS::S3::BucketPolicy": "statements with conditions are not evaluated",
}
"""Explanations for types that can be read back but have no effect."""


def listing() -> dict[str, list[dict[str, str]]]:
    """Gaps as `{skipped, without_effect}`.

    `skipped`: types without a model, and ignored attributes, properties and changes.
    `without_effect`: resources that can be read back but change nothing.
    """
    resources = list(_deployed())
    return {
        "skipped": [entry for stack, name, text in resources for entry in _skipped(stack, name, text)],
        "without_effect": [
            _entry(stack, name, text["Type"], WITHOUT_EFFECT[text["Type"]])
            for stack, name, text in resources
            if text["Type"] in WITHOUT_EFFECT
        ],
    }


def _deployed() -> Iterator[tuple[Any, str, dict[str, Any]]]:
    for backend in list(cloudformation_backends[ACCOUNT].values()):
        for stack in list(backend.stacks.values()):
            resources = stack.resource_map
            for name, text in resources._resource_json_map.items():
                if name in resources._parsed_resources:  # else its condition is false
                    yield stack, name, text


def _skipped(stack: Any, name: str, text: dict[str, Any]) -> Iterator[dict[str, str]]:
    kind = text["Type"]
    if not has_model(kind) and kind not in EMPTY_ON_AWS_TOO:
        yield _entry(stack, name, kind, "moto has no model of this type: nothing is behind it")
    for attribute in IGNORED_ATTRIBUTES:
        if attribute in text:
            yield _entry(stack, name, kind, f"its {attribute} is ignored")
    for key in IGNORED_PROPERTIES.get(kind, ()):
        if key in text.get("Properties", {}):
            yield _entry(stack, name, kind, f"its {key} is ignored")
    if name in stack.resource_map.__dict__.get("ignored_changes", ()):
        yield _entry(stack, name, kind, "moto cannot change this type: it is as it was first deployed")


def _entry(stack: Any, name: str, kind: str, why: str) -> dict[str, str]:
    return {"stack": stack.name, "logical_id": name, "type": kind, "why": why}
