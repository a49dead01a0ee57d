"""Parameters in the description of a stack, with the resolved values of SSM parameters."""

from __future__ import annotations

from typing import Any

from moto.cloudformation.models import Stack


def extend() -> None:
    Stack.parameter_list = property(_parameter_list)


def _parameter_list(self: Any) -> list[dict[str, Any]]:
    """AWS answers name and value of an SSM parameter; bare moto answers the value as the name.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_Parameter.html
    """
    declared = self.template_dict.get("Parameters", {})
    return [
        _parameter(self, key, declared.get(key, {}), value)
        for key, value in self.resource_map.resolved_parameters.items()
    ]


def _parameter(stack: Any, key: str, declared: dict[str, Any], value: Any) -> dict[str, Any]:
    if key in stack.resource_map.no_echo_parameter_keys:
        return {"ParameterKey": key, "ParameterValue": "****"}
    if str(declared.get("Type", "")).startswith("AWS::SSM::Parameter::"):
        name = stack.resource_map.input_parameters.get(key, declared.get("Default"))
        return {"ParameterKey": key, "ParameterValue": name, "ResolvedValue": value}
    return {"ParameterKey": key, "ParameterValue": value}
