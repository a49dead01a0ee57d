"""Run Command: agents on the nodes run the steps of command documents (`agents.py`).

Bare moto runs no command, reports every one as a success, and accepts unknown documents, instances and
values.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from moto.core.responses import ActionResult
from moto.ssm.exceptions import (
    InvalidDocumentContent,
    SSMException,
    ValidationException,
)
from moto.ssm.models import Document, SimpleSystemManagerBackend
from moto.ssm.responses import SimpleSystemManagerResponse

from swarmer.fakeaws.base import clock, journal
from swarmer.fakeaws.base.preload import ACCOUNT
from swarmer.fakeaws.base.template_resource import Create, Definition, wrap_create
from swarmer.fakeaws.iam import authorization
from swarmer.fakeaws.iam.resources import ec2_resource
from swarmer.fakeaws.ssm import answers, commands, documents, state
from swarmer.fakeaws.ssm.commands import Command, Details, Invocation
from swarmer.fakeaws.ssm.state import State

DEFAULT_TIMEOUT_S: Final = 3600
"""Default TimeoutSeconds of a request."""
MIN_TIMEOUT_S: Final = 30
MAX_TIMEOUT_S: Final = 2_592_000
MAX_INSTANCES: Final = 50
"""Largest number of instances in a request; targets have no such limit."""
PAGE: Final = 50
"""Number of entries of a page, and its limit."""
TAG: Final = "tag:"
"""Beginning of the key of a target that is a tag."""

create_document: Final = SimpleSystemManagerBackend.create_document


def extend() -> None:
    for action in (_send_command, _list_commands, _list_command_invocations, _get_command_invocation):
        setattr(SimpleSystemManagerResponse, action.__name__.removeprefix("_"), action)
    SimpleSystemManagerResponse.cancel_command = _cancel_command
    SimpleSystemManagerBackend.create_document = _create_document
    wrap_create(Document, _create)


def tick() -> None:
    """Apply the timeouts of every region, and wake the polls if that makes new work."""
    for region in state.regions():
        with state.changed:
            state.of(region).settle()
            state.changed.notify_all()


# -- documents --------------------------------------------------------------------------


def _create(create: Create, definition: Definition) -> Any:
    """CloudFormation also accepts the content as an object; bare moto fails on it later."""
    content = definition.properties.get("Content")
    text = content if isinstance(content, str) else json.dumps(content)
    kind = definition.properties.get("DocumentType", "Command")
    form = definition.properties.get("DocumentFormat", "JSON")
    return create(definition.with_properties(Content=text, DocumentType=kind, DocumentFormat=form))


def _create_document(self: Any, *args: Any, **more: Any) -> Any:
    made = create_document(self, *args, **more)
    document = made.get_default_version()
    if document.document_type == "Command" and (problem := documents.problem(document.content_json)):
        self._documents.pop(document.name)
        raise InvalidDocumentContent(problem)
    return made


def _document(self: Any, asked: str) -> Any:
    """The document by name or ARN. Raises InvalidDocument."""
    name = asked.rpartition("/")[2]
    document = self.ssm_backend._get_documents(name).find(_version(self._get_param("DocumentVersion")))
    if document.document_type != "Command":
        raise SSMException("InvalidDocument", f"document {name} is no command document")
    return document


def _version(asked: str | None) -> str | None:
    return None if asked == "$DEFAULT" else asked


# -- requests ---------------------------------------------------------------------------


def _send_command(self: Any) -> ActionResult:
    found, command = state.of(self.region), _requested(self)
    with state.changed:
        for instance_id in _instances(found, command.instance_ids, command.targets):
            command.invocations[instance_id] = _new(self, instance_id)
        found.commands[command.id] = command
        answer = answers.command(command)
        found.settle()
        state.changed.notify_all()
    sent = {"command": command.id, "document": command.document, "instances": list(command.invocations)}
    journal.record_call("ssm", "SendCommand", sent)
    return ActionResult({"Command": answer})


def _requested(self: Any) -> Command:
    """Command of a request, still without invocations. Raises SSMException."""
    document = _document(self, self._get_param("DocumentName"))
    parameters = self._get_param("Parameters") or {}
    if problem := documents.parameter_problem(document.content_json, parameters):
        raise SSMException("InvalidParameters", problem)
    return Command(
        id=str(uuid.uuid4()),
        document=document.name,
        version=self._get_param("DocumentVersion") or "$DEFAULT",
        comment=self._get_param("Comment") or "",
        parameters=parameters,
        targets=self._get_param("Targets") or [],
        instance_ids=tuple(self._get_param("InstanceIds") or ()),
        timeout_s=_timeout_s(self._get_param("TimeoutSeconds")),
        max_concurrency=self._get_param("MaxConcurrency") or "50",
        max_errors=self._get_param("MaxErrors") or "0",
        requested_s=clock.now_s(),
        steps=documents.steps(document.content_json, parameters),
    )


def _timeout_s(asked: int | None) -> int:
    timeout_s = DEFAULT_TIMEOUT_S if asked is None else int(asked)
    if not MIN_TIMEOUT_S <= timeout_s <= MAX_TIMEOUT_S:
        raise ValidationException(
            f"1 validation error detected: Value '{timeout_s}' at 'timeoutSeconds' failed to satisfy "
            f"constraint: Member must have value between {MIN_TIMEOUT_S} and {MAX_TIMEOUT_S}"
        )
    return timeout_s


def _instances(found: State, named: Sequence[str], targets: Sequence[Mapping[str, Any]]) -> list[str]:
    """IDs of the instances of a request. A target finds managed instances only. Raises SSMException."""
    for target in targets:
        if target["Key"] == "InstanceIds":
            named = [*named, *target["Values"]]
        elif not target["Key"].startswith(TAG):
            raise ValidationException(f"the rehearsal knows no targets by {target['Key']}")
    tags = [target for target in targets if target["Key"].startswith(TAG)]
    if tags and not named:
        return [each for each in found.agents if found.is_managed(each) and _has_tags(found, each, tags)]
    refused = [each for each in named if not found.is_managed(each)]
    if refused or not named or len(named) > MAX_INSTANCES:
        raise SSMException(
            "InvalidInstanceId",
            f"Instances [[{', '.join(refused)}]] not in a valid state for account {ACCOUNT}",
        )
    return list(dict.fromkeys(named))


def _has_tags(found: State, instance_id: str, targets: Iterable[Mapping[str, Any]]) -> bool:
    tags = found.tags(instance_id)
    return all(tags.get(target["Key"].removeprefix(TAG)) in target["Values"] for target in targets)


def _new(self: Any, instance_id: str) -> Invocation:
    """Invocation of an instance. Without permission for this target its status is AccessDenied."""
    resource = ec2_resource(self.region, instance_id)
    refused = authorization.refusal_of(self, "ssm:SendCommand", resource)
    return Invocation(instance_id, Details.ACCESS_DENIED if refused else Details.PENDING)


def _list_commands(self: Any) -> ActionResult:
    found, instance_id = state.of(self.region), self._get_param("InstanceId")
    with state.changed:
        found.settle()
        chosen = [
            answers.command(each)
            for each in _chosen(self, found)
            if not instance_id or instance_id in each.invocations
        ]
    page, token = paged(self, chosen)
    return ActionResult({"Commands": page, "NextToken": token})


def _list_command_invocations(self: Any) -> ActionResult:
    found, instance_id = state.of(self.region), self._get_param("InstanceId")
    with_details = bool(self._get_param("Details"))
    with state.changed:
        found.settle()
        chosen = [
            answers.invocation(command, each, with_details=with_details)
            for command in _chosen(self, found)
            for each in command.invocations.values()
            if not instance_id or each.instance_id == instance_id
        ]
    page, token = paged(self, chosen)
    return ActionResult({"CommandInvocations": page, "NextToken": token})


def _chosen(self: Any, found: State) -> list[Command]:
    """Command of the request; without one, all, newest first. Raises SSMException."""
    if not (command_id := self._get_param("CommandId")):
        return list(reversed(found.commands.values()))
    return [_command(found, command_id)]


def _command(found: State, command_id: str) -> Command:
    if command_id not in found.commands:
        raise SSMException("InvalidCommandId", "")
    return found.commands[command_id]


def paged(
    self: Any, entries: Sequence[Any], size: int = PAGE, most: int = PAGE
) -> tuple[list[Any], str | None]:
    """Requested page of entries, and the token of the next page. Raises SSMException."""
    token, size = self._get_param("NextToken") or "0", self._get_param("MaxResults") or size
    if not token.isdigit():
        raise SSMException("InvalidNextToken", "The specified token is not valid.")
    begin = int(token)
    end = begin + min(int(size), most)
    return list(entries[begin:end]), str(end) if end < len(entries) else None


def _get_command_invocation(self: Any) -> ActionResult:
    found = state.of(self.region)
    with state.changed:
        found.settle()
        command = _command(found, self._get_param("CommandId"))
        each = command.invocations.get(self._get_param("InstanceId"))
        if each is None:
            raise SSMException("InvocationDoesNotExist", "")
        step = self._get_param("PluginName") or command.steps[0].name
        if step not in [known.name for known in command.steps]:
            raise SSMException("InvalidPluginName", "")
        return ActionResult(answers.step_invocation(command, each, step))


def _cancel_command(self: Any) -> ActionResult:
    found = state.of(self.region)
    with state.changed:
        command = _command(found, self._get_param("CommandId"))
        commands.cancel(command, self._get_param("InstanceIds") or [])
        state.changed.notify_all()
    journal.record_call("ssm", "CancelCommand", {"command": command.id})
    return ActionResult({})
