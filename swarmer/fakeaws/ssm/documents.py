"""Command documents: Systems Manager's rules, their parameters, and the steps for an agent. Pure.

https://docs.aws.amazon.com/systems-manager/latest/userguide/documents-syntax-data-elements-parameters.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

SCHEMA: Final = "2.2"
"""Version of the schema of documents that are checked and run."""
SHELL_SCRIPT: Final = "aws:runShellScript"
"""Only action that the rehearsal's agent runs."""
TYPES: Final = ("String", "StringList", "Integer", "Boolean", "MapList", "StringMap")
"""Types of parameters."""
DEFAULT_TIMEOUT_S: Final = 3600
"""Default execution timeout of a step."""
MAX_TIMEOUT_S: Final = 172_800
"""Limit of an execution timeout: 48 hours."""
STEP_NAME: Final = re.compile(r"[a-zA-Z0-9_]+")
REFERENCE: Final = re.compile(r"\{\{\s*([a-zA-Z0-9_:.]+)\s*\}\}")
"""Pattern of a reference to a parameter, for example `{{ Command }}`."""

Content = Mapping[str, Any]
Given = Mapping[str, Sequence[str]]
"""Values of parameters by name, each as a list, in SendCommand's format."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """Step of a document with its parameters filled in."""

    name: str
    action: str
    script: str
    """Text of the shell script."""
    timeout_s: int


def problem(content: Content) -> str:
    """Reason why Systems Manager refuses the document; empty if it accepts it or has another schema."""
    if str(content.get("schemaVersion")) != SCHEMA:
        return ""
    return next(_problems(content), "")


def _problems(content: Content) -> Iterator[str]:
    steps, parameters = content.get("mainSteps"), content.get("parameters", {})
    if not isinstance(steps, list) or not steps:
        yield "mainSteps is a list of one step or more"
        return
    for name, parameter in parameters.items():
        yield from _problems_of_parameter(name, parameter)
    names = [step.get("name") for step in steps]
    if len(set(names)) < len(names):
        yield "two steps have the same name"
    for step in steps:
        yield from _problems_of_step(step)
    for name in REFERENCE.findall(json.dumps(steps)):
        if name not in parameters and ":" not in name:
            yield f"parameter {name} is used but not defined"


def _problems_of_parameter(name: str, parameter: Mapping[str, Any]) -> Iterator[str]:
    if parameter.get("type") not in TYPES:
        yield f"parameter {name}: type {parameter.get('type')} is none of {', '.join(TYPES)}"
    try:
        re.compile(str(parameter.get("allowedPattern", "")))
    except re.error:
        yield f"parameter {name}: allowedPattern is no regular expression"
    default = parameter.get("default")
    if default is not None and not _is_allowed(parameter, default):
        yield f"parameter {name}: the default is not an allowed value"


def _problems_of_step(step: Mapping[str, Any]) -> Iterator[str]:
    name, action = step.get("name"), str(step.get("action"))
    if not STEP_NAME.fullmatch(str(name)):
        yield f"{name} is no name of a step"
    if not action.startswith("aws:"):
        yield f"step {name}: {action} is no action"
    if action == SHELL_SCRIPT:
        lines = step.get("inputs", {}).get("runCommand")
        if not lines or not isinstance(lines, list):
            yield f"step {name}: runCommand is a list of one line or more"


def parameter_problem(content: Content, given: Given) -> str:
    """Reason why SendCommand refuses the values, in AWS's words if known; empty if it accepts them."""
    parameters: Mapping[str, Mapping[str, Any]] = content.get("parameters", {})
    for name, values in given.items():
        if name not in parameters:
            return f'Parameter "{name}" is not defined in the document.'
        for value in values:
            if not _is_allowed(parameters[name], value):
                pattern = parameters[name].get("allowedPattern") or parameters[name].get("allowedValues")
                return f'Parameter "{name}" has value "{value}" not matching "{pattern}".'
        if parameters[name]["type"] == "String" and len(values) != 1:
            return f'Parameter "{name}" takes one value.'
    missing = [name for name, each in parameters.items() if "default" not in each and name not in given]
    return f"Missing required parameters: {', '.join(missing)}." if missing else ""


def _is_allowed(parameter: Mapping[str, Any], value: Any) -> bool:
    """Whether the value matches the whole pattern and is one of the listed values."""
    pattern, listed = parameter.get("allowedPattern"), parameter.get("allowedValues")
    for each in value if isinstance(value, list) else [value]:
        if pattern and not re.fullmatch(pattern, str(each)):
            return False
        if listed and each not in listed:
            return False
    return True


def steps(content: Content, given: Given) -> tuple[Step, ...]:
    """Steps of the document with these values, after a check by `parameter_problem`."""
    values = {name: _text(each.get("default", "")) for name, each in content.get("parameters", {}).items()}
    values |= {name: _text(list(each)) for name, each in given.items()}
    return tuple(_step(each, values) for each in content.get("mainSteps", ()))


def _step(step: Mapping[str, Any], values: Mapping[str, str]) -> Step:
    inputs = step.get("inputs", {})
    asked = _filled(str(inputs.get("timeoutSeconds", DEFAULT_TIMEOUT_S)), values)
    timeout_s = int(asked) if asked.isdigit() else DEFAULT_TIMEOUT_S
    return Step(
        name=step["name"],
        action=step["action"],
        script="\n".join(_filled(str(line), values) for line in inputs.get("runCommand", ())) + "\n",
        timeout_s=min(timeout_s or DEFAULT_TIMEOUT_S, MAX_TIMEOUT_S),
    )


def _filled(text: str, values: Mapping[str, str]) -> str:
    return REFERENCE.sub(lambda found: values.get(found[1], found[0]), text)


def _text(value: Any) -> str:
    """Text of a value; the lines of a list."""
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)
