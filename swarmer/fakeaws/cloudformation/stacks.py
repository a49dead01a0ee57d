"""Creation, update and deletion of stacks.

Failures are reported at once, deleted resources stay deleted, and unchanged resources are left alone. A stack
waits for the capacity of its groups (`capacity`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from moto.cloudformation import models
from moto.cloudformation.exceptions import AlreadyExistsException, ValidationError
from moto.cloudformation.models import CloudFormationBackend, Stack
from moto.cloudformation.parsing import ResourceMap
from moto.cloudformation.responses import CloudFormationResponse
from moto.core.exceptions import ServiceException

from swarmer.fakeaws.base.errors import ResourceFailed, reason
from swarmer.fakeaws.cloudformation import capacity, exports, removal, rules, stack_events

log: Final = logging.getLogger("swarmer.fakeaws")

outputs: Final = Stack.outputs.fget
create_resources: Final = Stack.create_resources
update_resources: Final = ResourceMap.update
resolve_parameters: Final = CloudFormationBackend._resolve_update_parameters


_request: Final = threading.local()
"""Local data of this thread: whether its request has DisableRollback."""


def extend() -> None:
    for name in ("create_stack", "update_stack"):
        setattr(CloudFormationResponse, name, with_rollback(getattr(CloudFormationResponse, name)))
    Stack.create_resources = _create_or_roll_back
    Stack.mark_creation_complete = _await_creation
    Stack.outputs = property(_outputs)
    Stack.update = _update_or_roll_back
    Stack.delete = _delete
    CloudFormationBackend.create_stack = _create_stack
    CloudFormationBackend.update_stack = _update_stack
    CloudFormationBackend.delete_stack = _delete_stack
    ResourceMap.update = _update_resources
    CloudFormationBackend._resolve_update_parameters = _resolve_update_parameters


def with_rollback(handle: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """AWS keeps the resources of a failed operation if the request demands it (`--no-rollback`)."""

    def handle_request(self: Any) -> Any:
        _request.keeps = self._get_bool_param("DisableRollback", False)
        return handle(self)

    return handle_request


def _outputs(self: Any) -> Any:
    """AWS answers the outputs of the last successful operation.

    Bare moto resolves them at any time, and creates a resource that another request is about to create.
    """
    if "_COMPLETE" in self.status:
        self.__dict__["settled_outputs"] = outputs(self)
    return self.__dict__.get("settled_outputs")


def _keeps_failure() -> bool:
    return bool(getattr(_request, "keeps", False))


def _create_stack(self: Any, name: str, template: str, parameters: dict[str, Any], **options: Any) -> Any:
    """Create a stack and read its exports after its resources exist.

    Bare moto creates exported resources while it searches for duplicate exports. That is too early, and no
    caller can report a failure.
    """
    if any(stack.name == name for stack in self.stacks.values()):
        raise AlreadyExistsException(f"Stack {name} already exists")
    stack_id = models.generate_stack_id(name, self.region_name, self.account_id)
    options["timeout_in_mins"] = options.pop("timeout_in_mins", None)
    try:
        stack = Stack(
            stack_id, name, template, parameters, self.account_id, self.region_name,
            cross_stack_resources=self.exports, **options,
        )  # fmt: skip
    except ServiceException:
        raise
    except Exception as exc:
        raise ValidationError(message=f"Template error: {reason(exc)}") from exc
    rules.check(stack.template_dict, stack.stack_parameters)
    self.stacks[stack_id] = stack
    create(self, stack)
    return stack


def create(backend: Any, stack: Any) -> None:
    """Create the resources of a new stack. Its status then reports success or failure."""
    # While there are no exports moto passes a copy, so the stack would miss later exports.
    stack.cross_stack_resources = stack.resource_map.cross_stack_resources = backend.exports
    stack._add_stack_event("CREATE_IN_PROGRESS", resource_status_reason="User Initiated")
    stack.disable_rollback = _keeps_failure()
    stack.create_resources()


def _create_or_roll_back(self: Any) -> None:
    """AWS rolls back a failed creation and reports why; bare moto answers 500 and never settles the stack."""
    try:
        create_resources(self)
    except Exception as exc:
        _fail_creation(self, exc)


def _await_creation(self: Any) -> None:
    """AWS completes a stack when its groups have their capacity; bare moto when every resource is made."""
    capacity.begin(self, "CREATE", partial(_complete_creation, self), partial(_fail_creation, self))


def _complete_creation(stack: Any) -> None:
    try:
        exports.publish(stack)
    except Exception as exc:
        _fail_creation(stack, exc)
        return
    stack.status = "CREATE_COMPLETE"
    stack._add_stack_event(stack.status)


def _fail_creation(stack: Any, exc: Exception) -> None:
    _report(stack, exc, "CREATE_FAILED")
    if stack.disable_rollback:
        stack.status = "CREATE_FAILED"
        stack._add_stack_event(stack.status, resource_status_reason=_summary("create", exc))
        return
    stack.status = "ROLLBACK_IN_PROGRESS"
    stack._add_stack_event(stack.status, resource_status_reason=_summary("create", exc))
    exports.withdraw(stack)
    _remove_all(stack, "ROLLBACK_COMPLETE", retain=frozenset({"Retain"}))


def _update_stack(
    self: Any, name: str, template: str, role_arn: Any, parameters: list[dict[str, Any]], tags: Any
) -> Any:
    """AWS refuses an update that changes nothing; bare moto performs it."""
    stack = self.get_stack(name)
    if stack.status == "ROLLBACK_COMPLETE" or stack.status.endswith("_IN_PROGRESS"):
        raise ValidationError(
            message=f"Stack:{stack.stack_id} is in {stack.status} state and can not be updated."
        )
    values = self._resolve_update_parameters(instance=stack, incoming_params=parameters)
    if not stack.status.endswith("_FAILED") and _is_unchanged(stack, template, values, tags):
        raise ValidationError(message="No updates are to be performed.")
    check_rules(stack, Stack.parse_template(template), values)
    stack.update(template, role_arn, parameters=values, tags=tags)
    return stack


def _is_unchanged(stack: Any, template: str, parameters: dict[str, Any], tags: Any) -> bool:
    new = Stack.parse_template(template)
    if new != stack.template_dict or (tags is not None and tags != stack.tags):
        return False
    return bool(_resolved(stack, new, parameters) == stack.resource_map.resolved_parameters)


def check_rules(stack: Any, template: dict[str, Any], parameters: dict[str, Any]) -> None:
    """Check a template's rules with the parameters of a request for the stack. Raises ValidationError."""
    rules.check(template, _resolved(stack, template, parameters))


def _resolved(stack: Any, template: dict[str, Any], parameters: dict[str, Any]) -> Any:
    """Parameters with the names of SSM parameters replaced by their values."""
    scratch = ResourceMap(
        stack.stack_id, stack.name, parameters, {}, stack.region_name, stack.account_id, template, {}
    )
    scratch.load_parameters()
    return scratch.resolved_parameters


def _update_or_roll_back(
    self: Any, template: str, role_arn: Any = None, parameters: Any = None, tags: Any = None
) -> None:
    """AWS restores the old template when an update fails; bare moto answers 500 and stops half-way."""
    _outputs(self)  # these are answered until the end of the update
    change = Change(self, self.template, self.parameters, role_arn, parameters, tags, _keeps_failure())
    self.status = "UPDATE_IN_PROGRESS"
    self._add_stack_event(self.status, resource_status_reason="User Initiated")
    try:
        exports.check_kept(self, Stack.parse_template(template))
        change.in_use = exports.values_in_use(self)
        change.before = _apply_template(self, template, parameters or {})
    except Exception as exc:
        _fail_update(change, exc)
        return
    capacity.begin(self, "UPDATE", partial(_complete_update, change), partial(_fail_update, change))


@dataclass
class Change:
    """Update of a stack in progress."""

    stack: Any
    old_template: str
    old_parameters: dict[str, Any]
    role_arn: Any
    parameters: Any
    tags: Any
    keeps_failure: bool
    before: dict[str, Any] = field(default_factory=dict)
    """Entries of the old template, by logical ID."""
    in_use: dict[str, Any] = field(default_factory=dict)
    """Values of the exports that other stacks import, by name."""


def _complete_update(change: Change) -> None:
    stack = change.stack
    try:
        exports.publish(stack)
        exports.check_unchanged(stack, change.in_use)
    except Exception as exc:
        _fail_update(change, exc)
        return
    stack.role_arn, stack.parameters = change.role_arn, change.parameters or change.old_parameters
    stack.tags = stack.tags if change.tags is None else change.tags
    _clean_up(stack, change.before, "UPDATE_COMPLETE")


def _fail_update(change: Change, exc: Exception) -> None:
    stack = change.stack
    _report(stack, exc, "UPDATE_FAILED")
    stack.status = "UPDATE_FAILED" if change.keeps_failure else "UPDATE_ROLLBACK_IN_PROGRESS"
    stack._add_stack_event(stack.status, resource_status_reason=_summary("update", exc))
    if change.keeps_failure:
        stack.parameters = change.parameters or change.old_parameters
    else:
        _restore(stack, change.old_template, change.old_parameters)


def _apply_template(stack: Any, template: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Create and change resources to match the template. Returns the template entries of the old ones."""
    before: dict[str, Any] = stack.resource_map._resource_json_map
    stack.template = template
    stack._parse_template()
    stack.resource_map.update(stack.template_dict, parameters)
    stack.output_map = stack._create_output_map()
    return before


def _update_resources(self: Any, template: dict[str, Any], parameters: dict[str, Any] | None = None) -> None:
    """AWS removes resources last, after every step that can fail; bare moto removes them first.

    Here the caller removes them.
    """
    wanted = template["Resources"]
    self._resource_json_map = {name: text for name, text in self._resource_json_map.items() if name in wanted}
    update_resources(self, template, parameters)


def _clean_up(stack: Any, before: dict[str, Any], status: str) -> None:
    """Remove resources that the template no longer has. The stack then gets its new status."""
    wanted = stack.resource_map._resource_json_map
    gone = {name: text for name, text in before.items() if name not in wanted}
    if gone:
        stack.status = f"{status}_CLEANUP_IN_PROGRESS"
        stack._add_stack_event(stack.status)
    _remove(stack, gone, status, retain=removal.RETAIN)


def _restore(stack: Any, template: str, parameters: dict[str, Any]) -> None:
    try:
        # An empty dictionary would leave the failed update's parameters in force.
        stack.resource_map.input_parameters = parameters
        before = stack.template_dict["Resources"]
        _apply_template(stack, template, parameters)
    except Exception as exc:
        log.debug("", exc_info=exc)
        _fail_restoration(stack, exc)
        return
    stack.parameters = parameters
    finish = partial(_clean_up, stack, before, "UPDATE_ROLLBACK_COMPLETE")
    capacity.begin(stack, "UPDATE", finish, partial(_fail_restoration, stack))


def _fail_restoration(stack: Any, exc: Exception) -> None:
    log.error("stack %s: its old template could not be brought back: %s", stack.name, reason(exc))
    stack.status = "UPDATE_ROLLBACK_FAILED"
    stack._add_stack_event(stack.status, resource_status_reason=reason(exc))


def _resolve_update_parameters(self: Any, instance: Any, incoming_params: list[dict[str, str]]) -> Any:
    """AWS reads `UsePreviousValue` of a defaulted parameter as the default of the deployed template.

    Bare moto raises KeyError.
    """
    declared = instance.template_dict.get("Parameters", {}) if isinstance(instance, Stack) else {}
    defaulted = {
        each["ParameterKey"]
        for each in incoming_params
        if each.get("UsePreviousValue") and each["ParameterKey"] not in instance.parameters
    }
    kept = {key: declared[key]["Default"] for key in defaulted if "Default" in declared.get(key, {})}
    named = [each for each in incoming_params if each["ParameterKey"] not in defaulted]
    return {**kept, **resolve_parameters(self, instance, named)}


def _delete_stack(self: Any, name_or_stack_id: str) -> None:
    """AWS deletes by ID or name, and accepts a stack that does not exist."""
    for stack in [each for each in self.stacks.values() if name_or_stack_id in (each.stack_id, each.name)]:
        if stack.status != "DELETE_IN_PROGRESS":
            stack.delete()


def _delete(self: Any) -> None:
    """AWS deletes in reverse order of creation. A resource that moto cannot delete is logged and stays."""
    capacity.cancel(self)
    self.status = "DELETE_IN_PROGRESS"
    self._add_stack_event(self.status, resource_status_reason="User Initiated")
    _remove_all(self, "DELETE_COMPLETE", retain=removal.RETAIN)


def _remove_all(stack: Any, status: str, *, retain: frozenset[str]) -> None:
    """Remove all resources and every reference to them, because moto creates a missing resource on lookup."""
    texts = stack.resource_map._resource_json_map
    stack.resource_map._resource_json_map = {}
    stack.output_map._output_json_map = {}
    stack.output_map._parsed_outputs = {}
    _remove(stack, texts, status, retain=retain)


def _remove(stack: Any, texts: dict[str, Any], status: str, *, retain: frozenset[str]) -> None:
    """Remove resources, except those whose deletion policy is in `retain`. The stack then gets its status."""
    names = {name for name, text in texts.items() if text.get("DeletionPolicy") not in retain}
    for name in texts.keys() - names:
        stack.resource_map._parsed_resources.pop(name, None)
    removal.remove(stack, names, texts, partial(_finish, stack, status))


def _finish(stack: Any, status: str) -> None:
    stack.status = status
    stack._add_stack_event(status)
    if status == "DELETE_COMPLETE":
        exports.withdraw(stack)
        backend = models.cloudformation_backends[stack.account_id][stack.region_name]
        backend.deleted_stacks[stack.stack_id] = backend.stacks.pop(stack.stack_id)
        # AWS deletes the change sets with their stack; bare moto keeps them for the next stack of this name.
        for identifier, change_set in list(backend.change_sets.items()):
            if change_set.stack is stack:
                del backend.change_sets[identifier]


def _report(stack: Any, exc: Exception, status: str) -> None:
    logical_id, resource_type = stack.name, "AWS::CloudFormation::Stack"
    if isinstance(exc, ResourceFailed):
        logical_id, resource_type = exc.logical_id, exc.resource_type
    log.error("stack %s: %s (%s): %s", stack.name, logical_id, resource_type, reason(exc))
    log.debug("", exc_info=exc)
    stack_events.add(stack, logical_id, resource_type, status, reason(exc))


def _summary(verb: str, exc: Exception) -> str:
    name = exc.logical_id if isinstance(exc, ResourceFailed) else "stack"
    return f"The following resource(s) failed to {verb}: [{name}]. Rollback requested by user."
