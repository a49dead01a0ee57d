"""Evaluation of IAM policies. Pure.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html and, for conditions,
reference_policies_elements_condition_operators.html. An unknown operator is never met.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

VARIABLE: Final = re.compile(r"\$\{([^}]+)\}")
"""Pattern of a policy variable, for example `${aws:userid}`."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """Resource of a request. `context`: condition keys of the resource, like `aws:ResourceTag/…`."""

    arn: str
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Request:
    """Action on resources, with the condition keys of the request."""

    action: str
    """Name of the action, for example `ec2:DescribeInstances`."""
    resources: tuple[Resource, ...] = (Resource(arn="*"),)
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Refusal:
    """Refusal of a resource. `because`: reason in the words of AWS."""

    resource: str
    because: str


Statements = Sequence[Mapping[str, Any]]


def refusal(statements: Statements, request: Request, boundary: Statements | None = None) -> Refusal | None:
    """The first refusal, or None if every resource is allowed and none is denied.

    `boundary`: statements of the role's permissions boundary, which have to allow each resource too.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
    """
    limits = [("an", "identity-based policy", statements)]
    limits += [("a", "permissions boundary", boundary)] if boundary is not None else []
    for resource in request.resources:
        context = {**request.context, **resource.context}
        found = [
            (article, kind, [each for each in held if _concerns(each, request.action, resource.arn, context)])
            for article, kind, held in limits
        ]
        for article, kind, met in found:
            if any(each.get("Effect") == "Deny" for each in met):
                return Refusal(resource.arn, f"with an explicit deny in {article} {kind}")
        for _, kind, met in found:
            if not met:
                return Refusal(resource.arn, f"because no {kind} allows the {request.action} action")
    return None


def statements_of(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Statements of a document with one statement or a list.

    If a condition of the template omits a statement, moto's list contains None.
    """
    found = document.get("Statement", [])
    return [each for each in (found if isinstance(found, list) else [found]) if each]


def _concerns(
    statement: Mapping[str, Any], action: str, arn: str, context: Mapping[str, Sequence[str]]
) -> bool:
    return (
        _names(statement, "Action", action, ignore_case=True)
        and _names(_with_variables(statement, context), "Resource", arn)
        and are_met(_filled(statement.get("Condition", {}), context), context)
    )


def _with_variables(statement: Mapping[str, Any], context: Mapping[str, Sequence[str]]) -> Mapping[str, Any]:
    """The statement's resources with their policy variables replaced."""
    elements = ("Resource", "NotResource")
    return {key: _filled(statement[key], context) for key in elements if key in statement}


def _filled(value: Any, context: Mapping[str, Sequence[str]]) -> Any:
    """Value with its policy variables replaced; an unknown variable stays and matches nothing.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
    """
    if isinstance(value, str):
        return VARIABLE.sub(lambda found: _variable(found, context), value) if "${" in value else value
    if isinstance(value, Mapping):
        return {key: _filled(each, context) for key, each in value.items()}
    return [_filled(each, context) for each in value] if isinstance(value, list | tuple) else value


def _variable(found: re.Match[str], context: Mapping[str, Sequence[str]]) -> str:
    """Value of the variable. A key with several values has none."""
    actual = {key.lower(): values for key, values in context.items()}.get(found[1].lower(), ())
    return actual[0] if len(actual) == 1 else found[0]


def _names(statement: Mapping[str, Any], element: str, value: str, *, ignore_case: bool = False) -> bool:
    """Whether the statement matches the value, by the element or by its negation."""
    if f"Not{element}" in statement:
        return not _any_like(statement[f"Not{element}"], value, ignore_case=ignore_case)
    return _any_like(statement.get(element, []), value, ignore_case=ignore_case)


def _any_like(patterns: Any, value: str, *, ignore_case: bool = False) -> bool:
    if ignore_case:
        return any(is_like(str(each).lower(), value.lower()) for each in _listed(patterns))
    return any(is_like(str(each), value) for each in _listed(patterns))


def is_like(pattern: str, value: str) -> bool:
    """Whether the value matches the pattern: `*` is any text, `?` any character."""
    return _expression(pattern).fullmatch(value) is not None


@lru_cache(maxsize=1024)
def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


# -- conditions -------------------------------------------------------------------------


def are_met(conditions: Mapping[str, Any], context: Mapping[str, Sequence[str]]) -> bool:
    """Whether the context meets all conditions."""
    actual = {key.lower(): tuple(values) for key, values in context.items()}
    return all(
        _is_met(operator, _listed(wanted), actual.get(key.lower()))
        for operator, keys in conditions.items()
        for key, wanted in keys.items()
    )


def _is_met(operator: str, wanted: list[Any], actual: tuple[str, ...] | None) -> bool:
    quantifier, _, name = operator.rpartition(":")
    if name == "Null":
        return (actual is None) == (str(wanted[0]).lower() == "true")
    optional, name = name.endswith("IfExists"), name.removesuffix("IfExists")
    is_negated, test = OPERATORS.get(name, (False, None))
    if test is None:
        return False
    if actual is None:
        return optional or is_negated or quantifier == "ForAllValues"
    results = [any(test(str(each), value) for each in wanted) != is_negated for value in actual]
    return all(results) if quantifier == "ForAllValues" or is_negated else any(results)


def _number(compare: Callable[[float, float], bool]) -> Callable[[str, str], bool]:
    def test(wanted: str, actual: str) -> bool:
        try:
            return compare(float(actual), float(wanted))
        except ValueError:
            return False

    return test


def _is_equal(wanted: str, actual: str) -> bool:
    return wanted == actual


def _is_equal_ignoring_case(wanted: str, actual: str) -> bool:
    return wanted.lower() == actual.lower()


OPERATORS: Final[Mapping[str, tuple[bool, Callable[[str, str], bool]]]] = {
    "StringEquals": (False, _is_equal),
    "StringNotEquals": (True, _is_equal),
    "StringEqualsIgnoreCase": (False, _is_equal_ignoring_case),
    "StringNotEqualsIgnoreCase": (True, _is_equal_ignoring_case),
    "StringLike": (False, is_like),
    "StringNotLike": (True, is_like),
    "ArnEquals": (False, is_like),
    "ArnLike": (False, is_like),
    "ArnNotEquals": (True, is_like),
    "ArnNotLike": (True, is_like),
    "Bool": (False, _is_equal_ignoring_case),
    "NumericEquals": (False, _number(lambda actual, wanted: actual == wanted)),
    "NumericLessThan": (False, _number(lambda actual, wanted: actual < wanted)),
    "NumericLessThanEquals": (False, _number(lambda actual, wanted: actual <= wanted)),
    "NumericGreaterThan": (False, _number(lambda actual, wanted: actual > wanted)),
    "NumericGreaterThanEquals": (False, _number(lambda actual, wanted: actual >= wanted)),
}
"""Condition operators: whether each is a negation, and its test `(wanted, actual)`."""


def all_statements(documents: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Statements of several policies."""
    return [statement for document in documents for statement in statements_of(document)]
