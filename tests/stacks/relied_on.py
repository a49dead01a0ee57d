"""Facts about AWS that the project relies on, gathered from templates and code for docs/reference/facts.md.

A new property, permission or call is found without a change here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import botocore.session
from botocore import xform_name

from swarmer.core.facts import CALL, PERMISSION, PROPERTY, Row
from swarmer.core.software import ROOT
from tests.stacks.assembly import Template, listed
from tests.stacks.policies import IDENTITIES, TRUST, documents

EVERY_TYPE: Final = "every type"
"""Subject of rows that hold for each type of resource."""
LABELS: Final = ("AlarmDescription", "Description", "GroupDescription", "PolicyName", "description")
"""Properties that only people read."""
TAGS: Final = ("Tags", "TagSpecifications")
READ_TAGS: Final = ("AWS::AutoScaling::AutoScalingGroup", "AWS::EC2::LaunchTemplate")
"""Types whose tags the node software and the functions read."""
POLICIES: Final = ("PolicyDocument", "KeyPolicy", TRUST)
"""Properties that hold a policy; its statements are rows of their own."""
FREE: Final = ("EventPattern", "Variables", "parameters")
"""Properties whose keys are the user's own."""
ATTRIBUTES: Final = ("CreationPolicy", "DeletionPolicy", "UpdatePolicy", "UpdateReplacePolicy")
"""Attributes of a resource that change what CloudFormation does."""
CODE: Final = ("lambdas", "node", "swarmer/adapters", "swarmer/cli", "swarmer/local", "swarmer/operations")
"""Folders whose programs call AWS; those of the simulated AWS are AWS."""
CLIENTS: Final = ("client", "_client")
"""Names of the functions that make a client of a service."""
INDIRECT: Final = {"SSMProvider": ("ssm", "get_parameter")}
"""Calls that a library makes: the name of its class, the service and the operation."""


# -- templates ---------------------------------------------------------------------------------------


def properties(templates: Iterable[Template]) -> set[Row]:
    """Properties that the templates set, parameters from SSM, and intrinsic functions."""
    found = set[Row]()
    for template in templates:
        for resource in template["Resources"].values():
            found |= {_property(resource["Type"], path) for path in _paths(resource.get("Properties", {}))}
            found |= {_property(resource["Type"], each) for each in ATTRIBUTES if each in resource}
        for parameter in template.get("Parameters", {}).values():
            if parameter["Type"].startswith("AWS::SSM::"):
                found.add(Row(PROPERTY, parameter["Type"], "Default"))
        used = (template["Resources"], template.get("Outputs", {}))
        found |= {Row(PROPERTY, "intrinsic function", name) for each in used for name in _intrinsics(each)}
    return {row for row in found if row.name}


def _property(kind: str, path: str) -> Row:
    is_label = path.partition(".")[0] in TAGS and kind not in READ_TAGS
    return Row(PROPERTY, EVERY_TYPE if is_label else kind, path)


def _paths(value: Any, path: str = "") -> Iterator[str]:
    """Paths of the values below a property, like `MetadataOptions.HttpTokens`. Items have the list's path."""
    if isinstance(value, dict) and not _is_intrinsic(value):
        for key, each in value.items():
            if key in LABELS or key in POLICIES:
                continue
            below = f"{path}.{key}" if path else key
            yield from (below,) if key in (*TAGS, *FREE) else _paths(each, below)
    elif isinstance(value, list) and any(
        isinstance(each, dict) and not _is_intrinsic(each) for each in value
    ):
        for each in value:
            yield from _paths(each, path)
    else:
        yield path


def _is_intrinsic(value: Mapping[str, Any]) -> bool:
    return len(value) == 1 and next(iter(value)).startswith(("Fn::", "Ref"))


def _intrinsics(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _intrinsics(each)
    elif isinstance(value, dict):
        for key, each in value.items():
            if len(value) == 1 and (key == "Ref" or key.startswith("Fn::")):
                yield key
            yield from _intrinsics(each)


def permissions(templates: Iterable[Template]) -> set[Row]:
    """Actions of every policy. Subject: the statement's Sid, else the type of the resource, else `trust`."""
    return {
        Row(PERMISSION, subject, _granted(statement, action))
        for template in templates
        for resource in template["Resources"].values()
        for path, document in documents(resource.get("Properties", {}))
        for statement in listed(document["Statement"])
        for subject in [_subject(resource["Type"], path, statement)]
        for action in listed(statement["Action"])
    }


def _subject(kind: str, path: tuple[str, ...], statement: Mapping[str, Any]) -> str:
    if TRUST in path:
        return f"trust in {statement['Principal'].get('Service', 'others')}"
    return str(
        statement.get("Sid") or (kind.rpartition("::")[2] if kind not in IDENTITIES else "unnamed statement")
    )


def _granted(statement: Mapping[str, Any], action: str) -> str:
    """The action, with the keys of its condition."""
    keys = [key for some in statement.get("Condition", {}).values() for key in some]
    words = (["deny"] if statement["Effect"] == "Deny" else []) + [action]
    return " ".join([*words, *(["if", *sorted(keys)] if keys else [])])


# -- code --------------------------------------------------------------------------------------------


def calls(root: Path = ROOT) -> set[Row]:
    """Calls of AWS's APIs by the programs below the root. Subject: the file."""
    sources = sorted(path for folder in CODE for path in (root / folder).rglob("*.py"))
    found = {
        Row(CALL, str(path.relative_to(root)), name)
        for path in sources
        for name in calls_of(path.read_text())
    }
    scripts = sorted((root / "cloudinit").glob("*.sh"))
    return found | {
        Row(CALL, str(path.relative_to(root)), f"aws {service} {command}")
        for path in scripts
        for service, command in re.findall(r"\baws ([a-z0-9]+) ([a-z-]+)", path.read_text())
    }


def calls_of(source: str) -> set[str]:
    """Calls in a module: every operation of a service, named in the module, for which it makes a client.

    Raises LookupError for a client of which no call is found.
    """
    tree = ast.parse(source)
    services, words = set(_services(tree)), set(_words(tree))
    found = {(service, operation) for service in services for operation in words & operations(service).keys()}
    found |= {call for name, call in INDIRECT.items() if name in words}
    if silent := services - {service for service, _ in found}:
        raise LookupError(f"a client of {', '.join(sorted(silent))}, and no call: name it in INDIRECT")
    return {f"{service}:{operations(service)[operation]}" for service, operation in found}


def _services(tree: ast.AST) -> Iterator[str]:
    """Services that a call of `client(…)` names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in CLIENTS:
                yield str(node.args[0].value)


def _words(tree: ast.AST) -> Iterator[str]:
    """Attributes and texts of a module: an operation is called by one, or named for a paginator."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@cache
def operations(service: str) -> dict[str, str]:
    """Operations of a service: by Python's name that of the API."""
    model = botocore.session.get_session().get_service_model(service)
    return {xform_name(name): name for name in model.operation_names}
