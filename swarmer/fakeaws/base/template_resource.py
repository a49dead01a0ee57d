"""CloudFormation's protocol for the resources of a template: one mixin, and wrappers for moto's models.

moto finds the model of a type among the direct subclasses of `CloudFormationModel`, once, before the first
template. A common base class below `CloudFormationModel` would hide its own subclasses from that search.
So `TemplateResource` is a mixin: `class QueuePolicy(TemplateResource, CloudFormationModel)`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self


@dataclass(frozen=True)
class Definition:
    """A resource as its template defines it, with every reference resolved."""

    name: str
    """Name that the template or moto gave to the resource."""
    text: dict[str, Any]
    """Entry of the template: `Type`, `Properties` and so on."""
    account: str
    region: str

    @property
    def properties(self) -> dict[str, Any]:
        """Properties of the resource; empty if the template has none."""
        properties: dict[str, Any] = self.text.get("Properties", {})
        return properties

    def with_properties(self, **changed: Any) -> Definition:
        """A copy with these properties added or replaced."""
        return replace(self, text={**self.text, "Properties": {**self.properties, **changed}})


class TemplateResource:
    """Resource that its constructor creates from a `Definition`, without updates.

    moto ignores updates of such a resource, so it keeps its first properties.
    """

    TYPE: ClassVar[str]
    """CloudFormation's name of the resource type, for example `AWS::SQS::QueuePolicy`."""

    def __init__(self, definition: Definition) -> None:
        self.name = definition.name

    @property
    def physical_resource_id(self) -> str:
        """Return the value of a `Ref` to the resource."""
        return self.name

    @staticmethod
    def cloudformation_name_type() -> str:
        """Name of the property that holds the resource's name; empty because these types have none."""
        return ""

    @classmethod
    def cloudformation_type(cls) -> str:
        """Key under which moto finds the class."""
        return cls.TYPE

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **more: Any
    ) -> Self:
        """Create the resource. moto passes the arguments by position."""
        return cls(Definition(resource_name, cloudformation_json, account_id, region_name))

    def delete(self, account_id: str, region_name: str) -> None:
        """Delete the resource; the default does nothing."""


class UpdatableResource(TemplateResource):
    """Resource whose update creates it again under the same name."""

    def update(self, definition: Definition) -> Self:
        """The changed resource. `definition.name` is the name that the resource already has."""
        return type(self)(definition)

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: Self,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> Self:
        """Update the resource. moto passes the arguments by keyword."""
        name = original_resource.physical_resource_id
        return original_resource.update(Definition(name, cloudformation_json, account_id, region_name))


Create = Callable[[Definition], Any]
"""moto's own creation of a resource."""
Update = Callable[[Any, Definition], Any]
"""moto's own update of a resource: takes the original resource, returns the changed one."""


def wrap_create(model: Any, wrapper: Callable[[Create, Definition], Any]) -> None:
    """Replace a moto model's creation by `wrapper(create, definition)`; `create` is moto's own."""
    real = model.create_from_cloudformation_json.__func__

    def create_from_cloudformation_json(
        cls: Any,
        /,
        resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
        **more: Any,
    ) -> Any:
        def create(changed: Definition) -> Any:
            return real(cls, changed.name, changed.text, changed.account, changed.region, **more)

        return wrapper(create, Definition(resource_name, cloudformation_json, account_id, region_name))

    model.create_from_cloudformation_json = classmethod(create_from_cloudformation_json)


def wrap_update(model: Any, wrapper: Callable[[Update, Any, Definition], Any]) -> None:
    """Replace a moto model's update by `wrapper(update, original, definition)`; `update` is moto's own."""
    real = model.update_from_cloudformation_json.__func__

    def update_from_cloudformation_json(
        cls: Any,
        /,
        original_resource: Any,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> Any:
        def update(original: Any, changed: Definition) -> Any:
            return real(cls, original, changed.name, changed.text, changed.account, changed.region)

        definition = Definition(new_resource_name, cloudformation_json, account_id, region_name)
        return wrapper(update, original_resource, definition)

    model.update_from_cloudformation_json = classmethod(update_from_cloudformation_json)
