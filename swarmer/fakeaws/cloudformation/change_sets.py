"""Change sets, the default method of `cdk deploy` and `cdk bootstrap`."""

from __future__ import annotations

from typing import Any, Final

from moto.cloudformation.exceptions import CloudFormationError, ValidationError
from moto.cloudformation.models import CloudFormationBackend
from moto.cloudformation.responses import CloudFormationResponse
from moto.core.responses import ActionResult, EmptyResult

from swarmer.fakeaws import s3
from swarmer.fakeaws.cloudformation.stacks import check_rules, create, with_rollback

create_request: Final = CloudFormationResponse.create_change_set


def extend() -> None:
    CloudFormationResponse.create_change_set = _create_request
    CloudFormationBackend.execute_change_set = _execute
    CloudFormationResponse.describe_change_set = _describe_request
    CloudFormationResponse.delete_change_set = _delete_request
    CloudFormationResponse.execute_change_set = with_rollback(_execute_request)


def _execute(self: Any, change_set_name: str, stack_name: str | None = None) -> None:
    """AWS executes a change set like a direct create or update.

    Bare moto registers no exports here and reports no failure.
    """
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
    """AWS supports ImportExistingResources, a flag of `cdk deploy`; bare moto ignores it.

    AWS refuses a change set for a stack with an operation in progress.
    """
    _refuse_busy(self)
    answer = create_request(self)
    change_set = self.cloudformation_backend.change_sets[answer.result["Id"]]
    _check_rules(self.cloudformation_backend, change_set)
    change_set.imports = self._get_bool_param("ImportExistingResources", False)
    for change in change_set.changes if change_set.imports else ():
        if _existing(change_set.stack, change.logical_resource_id, change_set.template_dict):
            change.action = "Import"
    return answer


def _refuse_busy(request: Any) -> None:
    name = request._get_param("StackName")
    for stack in request.cloudformation_backend.stacks.values():
        is_busy = stack.status.endswith("_IN_PROGRESS") and stack.status != "REVIEW_IN_PROGRESS"
        if name in (stack.name, stack.stack_id) and is_busy:
            raise ValidationError(
                message=f"Stack:{stack.stack_id} is in {stack.status} state and can not be updated."
            )


def _check_rules(backend: Any, change_set: Any) -> None:
    """AWS refuses a change set whose parameters break a rule of its template; bare moto knows no rules."""
    try:
        check_rules(change_set.stack, change_set.template_dict, change_set.parameters)
    except ValidationError:
        del backend.change_sets[change_set.change_set_id]
        if change_set.change_set_type == "CREATE":
            del backend.stacks[change_set.stack.stack_id]
        raise


def _import_existing(change_set: Any, stack: Any) -> None:
    """Add existing resources to the stack unchanged, with their contents."""
    if not change_set.imports:
        return
    resources = stack.resource_map._parsed_resources
    for name, text in change_set.template_dict["Resources"].items():
        found = _existing(stack, name, change_set.template_dict)
        if found is not None:
            found.cf_resource_type, found.logical_resource_id = text["Type"], name
            resources[name] = found


def _existing(stack: Any, name: str, template: dict[str, Any]) -> Any:
    """The existing resource that the template can import, or None. Only buckets are supported.

    AWS requires a name and a deletion policy, here Retain. The resource may belong to no stack.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/resource-import.html
    """
    text = template["Resources"][name]
    if name in stack.resource_map._parsed_resources or text.get("DeletionPolicy") != "Retain":
        return None
    if text["Type"] != "AWS::S3::Bucket":
        return None
    return s3.unmanaged_bucket(stack.account_id, text.get("Properties", {}).get("BucketName"))


class ChangeSetNotFound(CloudFormationError):  # type: ignore[misc]
    """Error of AWS for a change set that does not exist."""

    code = "ChangeSetNotFoundException"


def _describe_request(self: Any) -> Any:
    """AWS answers ChangeSetNotFound, and the CDK waits for it; bare moto reports a missing stack."""
    if _identifier(self) not in self.cloudformation_backend.change_sets:
        raise ChangeSetNotFound(f"ChangeSet [{self._get_param('ChangeSetName')}] does not exist")
    return ActionResult(self.cloudformation_backend.describe_change_set(_identifier(self)))


def _delete_request(self: Any) -> Any:
    """AWS accepts the deletion of a change set that does not exist; bare moto crashes."""
    self.cloudformation_backend.change_sets.pop(_identifier(self), None)
    return EmptyResult()


def _execute_request(self: Any) -> Any:
    self.cloudformation_backend.execute_change_set(_identifier(self))
    return EmptyResult()


def _identifier(request: Any) -> str:
    """ID of the change set of this name in this stack; bare moto takes the first of any stack.

    The CDK names all of its change sets `cdk-deploy-change-set`.
    """
    name, stack = request._get_param("ChangeSetName"), request._get_param("StackName")
    for identifier, change_set in request.cloudformation_backend.change_sets.items():
        if change_set.change_set_name == name and stack in (change_set.stack_name, change_set.stack_id):
            return str(identifier)
    return str(name)
