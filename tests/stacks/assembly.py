"""A synthesised cluster as plain data, for the tests beside this file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from stacks import app as stacks
from swarmer.core.cluster import Cluster, Group

Template = dict[str, Any]
Resource = dict[str, Any]


@dataclass(frozen=True)
class Assembly:
    """Output of one synthesis."""

    directory: Path
    cluster: Cluster

    @cached_property
    def templates(self) -> dict[str, Template]:
        """Templates by the stack's name, in the order of the manifest."""
        artifacts = json.loads((self.directory / "manifest.json").read_text())["artifacts"]
        names = [name for name, it in artifacts.items() if it["type"] == "aws:cloudformation:stack"]
        return {name: json.loads((self.directory / f"{name}.template.json").read_text()) for name in names}

    def of_type(self, kind: str) -> dict[str, Resource]:
        """Properties of every resource of a type, by logical id, in all stacks."""
        return {
            name: resource.get("Properties", {})
            for template in self.templates.values()
            for name, resource in template["Resources"].items()
            if resource["Type"] == kind
        }

    @property
    def node_software(self) -> Path:
        """The staged asset that nodes fetch."""
        (found,) = (path for path in self.directory.glob("asset.*") if (path / "node").is_dir())
        return found

    def launch_template_data(self, group: str) -> Resource:
        data: Resource = self._of_group("AWS::EC2::LaunchTemplate", group)["LaunchTemplateData"]
        return data

    def auto_scaling_group(self, group: str) -> Resource:
        return self._of_group("AWS::AutoScaling::AutoScalingGroup", group)

    def statements_of(self, group: str) -> list[Resource]:
        policies = self._of_group("AWS::IAM::Role", group)["Policies"]
        return [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]

    def groups(self, *, quorum: bool) -> list[Group]:
        roles = {"consul-server", "swarm-manager"}
        return [group for group in self.cluster.groups if bool(roles & group.roles) is quorum]

    def user_data(self, group: str) -> str:
        """User-data with placeholders of the values' maximum length."""
        return joined(self.launch_template_data(group)["UserData"]["Fn::Base64"])

    def _of_group(self, kind: str, group: str) -> Resource:
        prefix = f"Groups{group.replace('-', '')}"
        (found,) = (it for name, it in self.of_type(kind).items() if name.startswith(prefix))
        return found


def synthesise(directory: Path, cluster: Cluster, *, validate: bool = True) -> Assembly:
    """Synthesise with every check; raises if one fails. cdk-nag runs without `validate`, too."""
    app = stacks.new_app(outdir=str(directory), validate=validate)
    stacks.build(app, cluster)
    app.synth()
    return Assembly(directory, cluster)


def joined(value: Any) -> str:
    """Text of a string that CloudFormation puts together; what it looks up is 63 characters long."""
    if isinstance(value, str):
        return value
    if "Fn::Join" in value:
        separator, parts = value["Fn::Join"]
        return str(separator).join(map(joined, parts))
    return "x" * 63


def statements(assembly: Assembly, *kinds: str) -> Iterator[Resource]:
    """Every statement of every policy of an identity: inline, or of these types."""
    for role in assembly.of_type("AWS::IAM::Role").values():
        for policy in role.get("Policies", ()):
            yield from policy["PolicyDocument"]["Statement"]
    for kind in kinds or ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
        for policy in assembly.of_type(kind).values():
            yield from policy["PolicyDocument"]["Statement"]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
