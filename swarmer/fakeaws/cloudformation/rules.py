"""The `Rules` of a template. AWS evaluates them before it changes any resource; moto ignores them.

AWS CloudFormation User Guide, "CloudFormation template Rules syntax".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from moto.cloudformation.exceptions import ValidationError

Values = Mapping[str, Any]


def check(template: Mapping[str, Any], parameters: Values) -> None:
    """Check the rules with the values of the parameters. Raises ValidationError with each broken one."""
    if found := broken(template, parameters):
        raise ValidationError(message="Template error: " + "; ".join(found))


def broken(template: Mapping[str, Any], parameters: Values) -> list[str]:
    """Descriptions of the failed assertions, in the template's order."""
    return [
        str(each.get("AssertDescription", f"rule {name} is broken"))
        for name, rule in template.get("Rules", {}).items()
        if _value(rule.get("RuleCondition", True), parameters)
        for each in rule["Assertions"]
        if not _value(each["Assert"], parameters)
    ]


def _value(expression: Any, parameters: Values) -> Any:
    """Value of an expression. Raises ValidationError for a function that is not rehearsed."""
    if isinstance(expression, list):
        return [_value(each, parameters) for each in expression]
    if not isinstance(expression, dict):
        return expression
    ((name, arguments),) = expression.items()
    if name == "Ref":
        return parameters[arguments]
    if name not in FUNCTIONS:
        raise ValidationError(message=f"Template error: {name} in Rules is not rehearsed")
    return FUNCTIONS[name](*_value(arguments, parameters))


FUNCTIONS: Final[dict[str, Callable[..., bool]]] = {
    "Fn::And": lambda *conditions: all(conditions),
    "Fn::Or": lambda *conditions: any(conditions),
    "Fn::Not": lambda condition: not condition,
    "Fn::Equals": lambda one, other: one == other,
    "Fn::Contains": lambda values, value: value in values,
    "Fn::EachMemberEquals": lambda values, value: all(each == value for each in values),
    "Fn::EachMemberIn": lambda values, others: all(each in others for each in values),
}
"""Functions of rules by name."""
