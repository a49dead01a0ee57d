"""The functions' stack as plain data, for the tests beside this file."""

from __future__ import annotations

from typing import Any

import pytest

from swarmer.core import software
from tests.stacks.assembly import Assembly, Resource

each_function = pytest.mark.parametrize("function", software.FUNCTIONS)


def template(assembly: Assembly) -> dict[str, Any]:
    return assembly.templates[f"{assembly.cluster.name}-healing"]


def of(assembly: Assembly, function: str, kind: str) -> dict[str, Resource]:
    """Properties of a function's own resources of a type, by logical id."""
    prefix = "".join(word.capitalize() for word in function.split("_"))
    return {
        name: resource.get("Properties", {})
        for name, resource in template(assembly)["Resources"].items()
        if resource["Type"] == kind and name.startswith(prefix)
    }


def the_function(assembly: Assembly, function: str) -> Resource:
    (found,) = of(assembly, function, "AWS::Lambda::Function").values()
    return found
