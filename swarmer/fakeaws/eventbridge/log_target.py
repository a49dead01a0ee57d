"""Log groups as targets of rules: a resource policy of CloudWatch Logs has to allow EventBridge to write.

A rule has no role for a log group. Bare moto asks for no permission.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
"""

from __future__ import annotations

import json
import uuid
from typing import Any, Final

from moto.logs import logs_backends

from swarmer.fakeaws.base import clock
from swarmer.fakeaws.base.preload import ACCOUNT
from swarmer.fakeaws.iam import policies
from swarmer.fakeaws.iam.policies import Request, Resource

ACTIONS: Final = ("logs:CreateLogStream", "logs:PutLogEvents")
"""Actions that EventBridge needs on the streams of the group."""
WRITERS: Final = frozenset({"events.amazonaws.com", "delivery.logs.amazonaws.com"})
"""Services that write events into log groups; a policy has to name one of them."""


def deliver(region: str, group: str, rule_arn: str, text: str) -> None:
    """Write the event into a new stream. Raises PermissionError, and moto's ResourceNotFound."""
    backend, stream = logs_backends[ACCOUNT][region], str(uuid.uuid4())
    for action in ACTIONS:
        if not _may(backend, action, region, group, rule_arn):
            raise PermissionError(f"no resource policy of CloudWatch Logs allows EventBridge {action}")
    backend.create_log_stream(group, stream)
    backend.put_log_events(group, stream, [{"timestamp": int(clock.now_s() * 1000), "message": text}])


def _may(backend: Any, action: str, region: str, group: str, rule_arn: str) -> bool:
    request = Request(
        action=action,
        resources=(Resource(arn=f"arn:aws:logs:{region}:{ACCOUNT}:log-group:{group}:log-stream:x"),),
        context={"aws:SourceArn": (rule_arn,), "aws:SourceAccount": (ACCOUNT,)},
    )
    statements = [
        statement
        for policy in backend.describe_resource_policies()
        for statement in policies.statements_of(_document(policy.policy_document))
        if _names_a_writer(statement.get("Principal", {}))
    ]
    return policies.refusal(statements, request) is None


def _document(policy: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(policy) if isinstance(policy, str) else policy
    return document


def _names_a_writer(principal: Any) -> bool:
    if principal == "*":
        return True
    services = principal.get("Service", [])
    return bool(WRITERS & set([services] if isinstance(services, str) else services))
