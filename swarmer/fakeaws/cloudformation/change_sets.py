"""Change sets, how `cdk deploy` and `cdk bootstrap` work unless told otherwise."""

from __future__ import annotations

from typing import Any, Final

from moto.cloudformation.exceptions import CloudFormationError
from moto.cloudformation.models import CloudFormationBackend
from moto.cloudformation.responses import CloudFormationResponse
from moto.core.responses import ActionResult, EmptyResult

from swarmer.fakeaws import s3
from swarmer.fakeaws.cloudformation.stacks import create

create_request: Final = CloudFormationResponse.create_change_set


def extend() -> None:
    CloudFormationResponse.create_change_set = _create_request
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
        _import_existing(change_set, stack)
        create(self, stack)
    else:
        _import_existing(change_set, stack)
        stack.update(change_set.template, change_set.role_arn, change_set.parameters, change_set.tags)
    change_set.execution_status = "EXECUTE_COMPLETE"


def _create_request(self: Any) -> Any:
    """Bare moto does not know ImportExistingResources, which `cdk deploy` has a flag for."""
    answer = create_request(self)
    change_set = self.cloudformation_backend.change_sets[answer.result["Id"]]
    change_set.imports = self._get_bool_param("ImportExistingResources", False)
    for change in change_set.changes if change_set.imports else ():
        if _existing(change_set.stack, change.logical_resource_id, change_set.template_dict):
            change.action = "Import"
    return answer


def _import_existing(change_set: Any, stack: Any) -> None:
    """Resources that are there already become the stack's as they are; they keep what is in them."""
    if not change_set.imports:
        return
    resources = stack.resource_map._parsed_resources
    for name, text in change_set.template_dict["Resources"].items():
        found = _existing(stack, name, change_set.template_dict)
        if found is not None:
            found.cf_resource_type, found.logical_resource_id = text["Type"], name
            resources[name] = found


def _existing(stack: Any, name: str, template: dict[str, Any]) -> Any:
    """What a resource of the template could be from the start: only buckets are looked for.

    It takes a name of its own and a deletion policy, here Retain; and no stack may have it.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/resource-import.html
    """
    text = template["Resources"][name]
    if name in stack.resource_map._parsed_resources or text.get("DeletionPolicy") != "Retain":
        return None
    if text["Type"] != "AWS::S3::Bucket":
        return None
    return s3.unmanaged_bucket(stack.account_id, text.get("Properties", {}).get("BucketName"))


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
