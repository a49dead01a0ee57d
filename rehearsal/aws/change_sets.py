"""Change sets, how `cdk deploy` and `cdk bootstrap` work unless told otherwise."""

from __future__ import annotations

from typing import Any

from moto.cloudformation.exceptions import CloudFormationError
from moto.cloudformation.models import CloudFormationBackend
from moto.cloudformation.responses import CloudFormationResponse
from moto.core.responses import ActionResult, EmptyResult

from rehearsal.aws.stacks import create


def extend() -> None:
    CloudFormationBackend.execute_change_set = _execute
    CloudFormationResponse.describe_change_set = _describe_request
    CloudFormationResponse.delete_change_set = _delete_request
    CloudFormationResponse.execute_change_set = _execute_request


def _execute(self: Any, change_set_name: str, stack_name: str | None = None) -> None:
    """As a direct create or update; bare moto registers no exports here and reports no failure."""
    change_set = self.describe_change_set(change_set_name)
    stack = self.stacks[change_set.stack_id]
    if change_set.change_set_type == "CREATE":
        stack.template, stack.parameters = change_set.template, change_set.parameters
        stack._parse_template()
        stack.resource_map = stack._create_resource_map()
        stack.output_map = stack._create_output_map()
        create(self, stack)
    else:
        stack.update(change_set.template, change_set.role_arn, change_set.parameters, change_set.tags)
    change_set.execution_status = "EXECUTE_COMPLETE"


class ChangeSetNotFound(CloudFormationError):  # type: ignore[misc]
    code = "ChangeSetNotFoundException"


def _describe_request(self: Any) -> Any:
    """The CDK deletes a change set and waits for this very error; bare moto says the stack is missing."""
    if _identifier(self) not in self.cloudformation_backend.change_sets:
        raise ChangeSetNotFound(f"ChangeSet [{self._get_param('ChangeSetName')}] does not exist")
    return ActionResult(self.cloudformation_backend.describe_change_set(_identifier(self)))


def _delete_request(self: Any) -> Any:
    """Deleting one that is not there succeeds; bare moto crashes."""
    self.cloudformation_backend.change_sets.pop(_identifier(self), None)
    return EmptyResult()


def _execute_request(self: Any) -> Any:
    self.cloudformation_backend.execute_change_set(_identifier(self))
    return EmptyResult()


def _identifier(request: Any) -> str:
    """A change set's name is its stack's own; bare moto takes the first of that name of any stack.

    The CDK calls all of them `cdk-deploy-change-set`.
    """
    name, stack = request._get_param("ChangeSetName"), request._get_param("StackName")
    for identifier, change_set in request.cloudformation_backend.change_sets.items():
        if change_set.change_set_name == name and stack in (change_set.stack_name, change_set.stack_id):
            return str(identifier)
    return str(name)
