"""Decisions about a deploy or a removal: obstacles, changes, and resources that remain. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from swarmer.core.cluster import Cluster, Group
from swarmer.core.validation import listed

STACKS: Final = ("registry", "network", "healing", "cluster")
"""Suffixes of a cluster's stacks, in the order in which they are deployed."""
NOT_BEGUN: Final = ("ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS")
"""Status of a stack without resources. The CDK makes such a stack again."""
WATCHED: Final = "the CloudFormation console shows"
"""Words of a message for the place at which an operator sees CloudFormation's work without the command."""
BUCKET: Final = "AWS::S3::Bucket"
SETTLED: Final = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE")
"""Status of a stack that equals its template."""
DELETABLE: Final = ("CREATE_IN_PROGRESS", "DELETE_IN_PROGRESS", *NOT_BEGUN)
"""Status of a stack at work that CloudFormation can delete nevertheless."""
NO_DIFFERENCE: Final = "There were no differences"
"""Line of `cdk diff` below an unchanged stack."""
SIGNS: Final = {"[+]": "+", "[-]": "-", "[~]": "~"}
EFFECTS: Final = {
    "replace": "is replaced",
    "may be replaced": "may be replaced",
    "destroy": "is deleted",
    "orphan": "leaves the stack, and stays",
}
"""Words for the operator, by the words of `cdk diff` at the end of a resource's line."""


def stack_names(cluster: str) -> tuple[str, ...]:
    """Names of the cluster's stacks, in the order in which they are deployed."""
    return tuple(f"{cluster}-{each}" for each in STACKS)


def hindrance(status: Mapping[str, str]) -> str:
    """Line about the first stack that refuses a deploy; empty if all accept one. `status`: by stack name."""
    for stack, found in status.items():
        if found.endswith("_IN_PROGRESS") and found != "REVIEW_IN_PROGRESS":
            return _at_work(stack, found)
        if found == "DELETE_FAILED":
            return f"{stack} is {found}: `swarmer destroy` ends its deletion, then deploy again"
        if found == "UPDATE_ROLLBACK_FAILED":
            remedy = f"aws cloudformation continue-update-rollback --stack-name {stack}"
            return f"{stack} is {found}: {remedy}, and after its end deploy again"
    return ""


def removal_hindrance(status: Mapping[str, str]) -> str:
    """Line about the first stack that cannot be deleted now; empty if all can be."""
    busy = (each for each in status.items() if each[1].endswith("_IN_PROGRESS") and each[1] not in DELETABLE)
    return next((_at_work(stack, found) for stack, found in busy), "")


def _at_work(stack: str, status: str) -> str:
    return (
        f"{stack} is {status}: CloudFormation is at work on it, for another operator or for an interrupted "
        f"deploy; try again after its end, which {WATCHED}"
    )


def interrupted(at_work: Sequence[str], again: str) -> str:
    """Line after Ctrl-C. `at_work`: stacks on which CloudFormation goes on. `again`: the command."""
    if not at_work:
        return f"interrupted: CloudFormation is at work on no stack; `{again}` goes on"
    stacks = listed(at_work)
    return (
        f"interrupted: CloudFormation goes on with {stacks}, which {WATCHED}; `{again}` goes on after its end"
    )


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Changes that a deploy makes."""

    created: Mapping[str, int] = field(default_factory=dict)
    """Number of resources of each new stack, by its name."""
    remade: tuple[str, ...] = ()
    """New stacks that exist, empty, after a failed creation."""
    changed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Lines about the resources of each deployed stack that changes, by its name."""
    images: tuple[tuple[str, str, str], ...] = ()
    """Parameter, deployed AMI and newest AMI, of each image that is newer than the deployed one."""
    unsettled: Mapping[str, str] = field(default_factory=dict)
    """Status of each stack that differs from its template, by its name."""

    @property
    def is_empty(self) -> bool:
        """Whether a deploy would change nothing."""
        return not (self.created or self.changed or self.images or self.unsettled)

    @property
    def is_creation(self) -> bool:
        """Whether no stack with resources exists."""
        return len(self.created) == len(STACKS)

    def lines(self, cluster: Cluster, diff: str) -> list[str]:
        """Lines for the operator. `diff`: path of the file with the whole difference."""
        found = [f"  {stack}: {number} resources, new" for stack, number in self.created.items()]
        found += [f"  {stack}: a failed creation left it empty; it is made again" for stack in self.remade]
        if f"{cluster.name}-{STACKS[-1]}" in self.created:
            found += [f"  nodes: {', '.join(map(_nodes, cluster.groups))}"]
        for stack, lines in self.changed.items():
            found += [f"  {stack}:", *(f"    {line}" for line in lines)]
        found += [
            f"  image: {new} instead of {old}, for the next instances ({parameter})"
            for parameter, old, new in self.images
        ]
        found += [f"  {stack}: {status}, and is deployed again" for stack, status in self.unsettled.items()]
        return [*found, *([f"  (all of it: {diff})"] if self.changed else [])]


def _nodes(group: Group) -> str:
    number = f"{group.smallest}" if group.size is not None else f"{group.smallest} to {group.largest}"
    types = " or ".join(group.types)
    return f"{group.name} {number} × {types}{' (spot)' if group.spot else ''}"


def differences(text: str) -> dict[str, tuple[str, ...]]:
    """Lines about changed resources by stack, from the output of `cdk diff`, without unchanged stacks."""
    found: dict[str, list[str]] = {}
    unchanged = set[str]()
    stack, section = "", ""
    for line in text.splitlines():
        words = line.split()
        if line.startswith("Stack ") and len(words) > 1:
            stack, section = words[1], ""
            found[stack] = []
        elif line.startswith(NO_DIFFERENCE):
            unchanged.add(stack)
        elif words and words[0] in SIGNS and not line[0].isspace() and stack:
            found[stack].append(_change(words) if section == "Resources" else _other(section, words))
        elif words and line[0].isalpha():
            section = line.strip()
    return {name: tuple(dict.fromkeys(lines)) for name, lines in found.items() if name not in unchanged}


def _change(words: Sequence[str]) -> str:
    """Line about a resource: its type, its path or logical ID, and its change."""
    text = " ".join(words[1:])
    effect = next((each for each in EFFECTS if text.endswith(f" {each}")), "")
    kind, *path = text.removesuffix(f" {effect}" if effect else "").split()
    suffix = f": {EFFECTS[effect]}" if effect else ""
    return f"{SIGNS[words[0]]} {kind} {path[0] if path else ''}{suffix}"


def _other(section: str, words: Sequence[str]) -> str:
    """Line about a part of the template that is no resource. It omits the value, because values are long."""
    name = next((word.rstrip(":") for word in words[2:]), "")
    return f"{SIGNS[words[0]]} {section.lower()}: {name}"


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """Attachment of a managed policy to a user, a group or a role."""

    policy: str
    """ARN of the policy."""
    kind: str
    """Kind of the entity: user, group or role."""
    name: str

    @property
    def remedy(self) -> str:
        """Command that detaches the policy."""
        return f"aws iam detach-{self.kind}-policy --{self.kind}-name {self.name} --policy-arn {self.policy}"


def attached_by_hand(found: Collection[Attachment], own_roles: Collection[str]) -> str:
    """Line about policies that IAM refuses to delete because people attached them; empty if there are none.

    `own_roles`: names of the stacks' own roles, because the stacks delete those first.
    """
    by_hand = [each for each in found if not (each.kind == "role" and each.name in own_roles)]
    if not by_hand:
        return ""
    where = listed([f"the {each.kind} {each.name}" for each in by_hand])
    policies = listed(sorted({each.policy.rpartition("/")[2] for each in by_hand}))
    return (
        f"nothing was destroyed: {policies} is attached to {where}, and IAM deletes no attached policy; "
        f"detach it first: {'; '.join(each.remedy for each in by_hand)}"
    )
