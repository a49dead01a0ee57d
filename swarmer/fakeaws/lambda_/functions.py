"""Lambda functions of templates, run by the `runner` of this process.

Bare moto runs functions in containers and pulls their images. It loses Layers, Architectures, TracingConfig
and Tags of a template's function.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import uuid
from typing import Any, Final

from moto.awslambda.models import LambdaFunction, LayerVersion, lambda_backends

from swarmer.fakeaws.base import journal
from swarmer.fakeaws.base.preload import ACCOUNT
from swarmer.fakeaws.base.template_resource import Create, Definition, Update, wrap_create, wrap_update
from swarmer.fakeaws.lambda_ import logs
from swarmer.fakeaws.lambda_.model import Archive, Function, Outcome, Runner

LOG_TAIL_BYTES: Final = 4096
"""Number of bytes from the end of the log in the answer to an invocation."""


class NoRunner:
    """Runner that fails every invocation, for processes without a node image, such as most tests."""

    def invoke(self, function: Function, request_id: str, event: Any) -> Outcome:
        text = {"errorType": "NotRehearsed", "errorMessage": "functions run in `swarmer up` only"}
        return Outcome(payload=json.dumps(text), error="Unhandled")


runner: Runner = NoRunner()
"""Runner of all functions. The rehearsal's daemon and tests replace it."""


def extend() -> None:
    LambdaFunction._invoke_lambda = _invoke
    LambdaFunction.invoke = _invoke_by_request
    wrap_create(LambdaFunction, _create)
    wrap_update(LambdaFunction, _update)
    LayerVersion.physical_resource_id = property(lambda self: self.arn)
    wrap_update(LayerVersion, _new_version)
    LayerVersion.delete = _delete_version


def describe(function: Any) -> Function:
    """The value of moto's function."""
    backend = lambda_backends[function.account_id][function.region]
    layers = [backend.layers_versions_by_arn(each["Arn"]) for each in function.layers]
    network = function._vpc_config or {}
    fields = {
        "name": function.function_name,
        "arn": function.function_arn,
        "handler": function.handler,
        "runtime": function.run_time,
        "timeout_s": int(function.timeout),
        "memory_mb": int(function.memory_size),
        "environment": {str(key): str(value) for key, value in (function.environment_vars or {}).items()},
        "role_arn": function.role,
        "region": function.region,
        "subnets": tuple(network.get("SubnetIds", ())),
        "security_groups": tuple(network.get("SecurityGroupIds", ())),
        "log_group": function.logs_group_name,
        "concurrency": int(function.reserved_concurrency) if function.reserved_concurrency else None,
    }
    archives = [Archive(sha256=each.code_sha_256, content=each.code_bytes) for each in (function, *layers)]
    content = json.dumps([fields, [each.sha256 for each in archives]], sort_keys=True)
    return Function(
        **fields,
        code=archives[0],
        layers=tuple(archives[1:]),
        revision=hashlib.sha256(content.encode()).hexdigest(),
    )


def all_revisions() -> frozenset[str]:
    """Revisions of all existing functions."""
    return frozenset(
        describe(function).revision
        for backend in list(lambda_backends[ACCOUNT].values())
        for function in backend.list_functions()
    )


def _invoke(self: Any, event: Any = None) -> tuple[str, bool, str]:
    """Invoke the function for the API, a queue or a custom resource. Returns `(payload, failed, log)`."""
    request_id = str(uuid.uuid4())
    function = describe(self)
    event = json.loads(event) if isinstance(event, str | bytes) else event
    journal.record_call("lambda", "Invoke", {"function": function.name, "request_id": request_id})
    outcome = runner.invoke(function, request_id, {} if event is None else event)
    logs.store(function, outcome.lines)
    if outcome.error:
        detail = {"function": function.name, "request_id": request_id, "error": json.loads(outcome.payload)}
        journal.record_call("lambda", "Failed", detail)
    return outcome.payload, bool(outcome.error), "\n".join(outcome.lines)


def _invoke_by_request(self: Any, body: Any, request_headers: Any, response_headers: Any) -> Any:
    """AWS answers InvocationType Event at once and runs the function afterwards."""
    kind = request_headers.get("x-amz-invocation-type", "RequestResponse")
    event = json.loads(body) if body else {}
    if kind == "Event":
        threading.Thread(target=self._invoke_lambda, args=(event,), daemon=True).start()
        return b""
    if kind == "DryRun":
        return b""
    payload, failed, log = self._invoke_lambda(event)
    if failed:
        response_headers["x-amz-function-error"] = "Unhandled"
    if request_headers.get("x-amz-log-type") == "Tail":
        response_headers["x-amz-log-result"] = base64.b64encode(log.encode()[-LOG_TAIL_BYTES:]).decode()
    return payload.encode()


def _create(create: Create, definition: Definition) -> Any:
    return _complete(create(definition), definition.properties)


def _update(update: Update, original: Any, definition: Definition) -> Any:
    """AWS resets a property that the template no longer names to its default; bare moto keeps its value."""
    defaults = {
        "Environment": {"Variables": {}},
        "Timeout": 3,
        "MemorySize": 128,
        "Layers": [],
        "VpcConfig": None,
    }
    changed = definition.with_properties(**{**defaults, **definition.properties})
    return _complete(update(original, changed), definition.properties)


def _complete(function: Any, properties: dict[str, Any]) -> Any:
    function.layers = function._get_layers_data(properties.get("Layers", []))
    function.architectures = properties.get("Architectures", ["x86_64"])
    function.tracing_config = properties.get("TracingConfig") or {"Mode": "PassThrough"}
    function.reserved_concurrency = properties.get("ReservedConcurrentExecutions")
    function.tags = {tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])}
    function.environment_vars = properties.get("Environment", {}).get("Variables", {})
    group = properties.get("LoggingConfig", {}).get("LogGroup")
    function.logs_group_name = group or f"/aws/lambda/{function.function_name}"
    return function


def _new_version(_: Update, original: Any, definition: Definition) -> Any:
    """AWS never changes a version of a layer. An update creates another version."""
    return LayerVersion.create_from_cloudformation_json(
        original.name, definition.text, definition.account, definition.region
    )


def _delete_version(self: Any, account_id: str, region_name: str) -> None:
    lambda_backends[account_id][region_name].delete_layer_version(self.name, str(self.version))
