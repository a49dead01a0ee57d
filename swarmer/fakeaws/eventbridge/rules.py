"""EventBridge rules: matching of events, input of targets, and schedules.

Bare moto lets a schedule-only or a disabled rule match every event, and ignores a target's Input. It sends an
`ingestion-time` that AWS's events lack, supports no functions as targets, and never fires a schedule.
"""

from __future__ import annotations

import copy
import json
import logging
import threading
import uuid
from typing import Any, Final

from moto.awslambda.models import lambda_backends
from moto.events import events_backends
from moto.events.models import EventPattern, Rule
from moto.sqs import sqs_backends

from swarmer.fakeaws.base import clock, journal
from swarmer.fakeaws.base.preload import ACCOUNT
from swarmer.fakeaws.eventbridge import log_target
from swarmer.fakeaws.eventbridge.schedule_expressions import next_due_s
from swarmer.fakeaws.iam import policies
from swarmer.fakeaws.iam.policies import Request, Resource

log: Final = logging.getLogger("swarmer.fakeaws")

send_elsewhere: Final = Rule.send_to_targets


def extend() -> None:
    Rule.send_to_targets = _send_to_targets


def tick() -> None:
    """Fire the schedules that are due. A rate counts from the first tick that sees its rule."""
    for backend in list(events_backends[ACCOUNT].values()):
        for bus in list(backend.event_buses.values()):
            for rule in list(bus.rules.values()):
                if rule.scheduled_expression and rule.state == "ENABLED":
                    _fire_if_due(rule)


def _fire_if_due(rule: Any) -> None:
    now_s, expression = clock.now_s(), rule.scheduled_expression
    known, due_s = rule.__dict__.get("due", ("", 0.0))
    if known == expression and due_s > now_s:
        return
    if known == expression:
        event = _scheduled_event(rule)
        journal.record_event("aws.events", "Scheduled Event", {"rule": rule.name})
        _deliver(rule, event)
    rule.__dict__["due"] = (expression, next_due_s(expression, now_s))


def _scheduled_event(rule: Any) -> dict[str, Any]:
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": clock.iso(clock.now_s()),
        "region": rule.region_name,
        "resources": [rule.arn],
        "detail": {},
    }


def _send_to_targets(self: Any, original_event: Any, transform_input: bool = True) -> None:
    pattern: EventPattern = self.event_pattern
    if self.state != "ENABLED" or not pattern.get_pattern():
        return
    event = {key: value for key, value in original_event.items() if key != "ingestion-time"}
    if not isinstance(event.get("time"), str):
        event["time"] = clock.iso(float(event["time"]))
    if pattern.matches_event(event):
        _deliver(self, event)


def _deliver(rule: Any, event: dict[str, Any]) -> None:
    """Deliver to every target. A failure is logged, and the other targets still receive the event."""
    for target in list(rule.targets):
        try:
            _deliver_to(rule, target, event)
        except Exception:
            log.exception("rule %s: %s cannot be delivered to", rule.name, target["Arn"])
            journal.record_call("events", "FailedInvocation", {"rule": rule.name, "target": target["Arn"]})


def _deliver_to(rule: Any, target: dict[str, Any], event: dict[str, Any]) -> None:
    _, _, service, region, account, name = target["Arn"].split(":", 5)
    if service == "sqs":
        if not may_send(sqs_backends[account][region].get_queue(name), rule.arn):
            raise PermissionError("the queue's policy does not let events.amazonaws.com send")
        group_id = target.get("SqsParameters", {}).get("MessageGroupId")
        sqs_backends[account][region].send_message(name, _target_input(target, event), group_id=group_id)
    elif service == "lambda":
        _invoke_later(account, region, target["Arn"], _target_input(target, event))
    elif service == "logs":
        group = name.removeprefix("log-group:").removesuffix(":*")
        log_target.deliver(region, group, rule.arn, _target_input(target, event))
    else:
        others = copy.copy(rule)
        others.targets = [target]
        send_elsewhere(others, {**event, "time": clock.now_s()})


def may_send(queue: Any, rule_arn: str) -> bool:
    """Whether the queue's policy lets the rule send. A rule has no role for a queue."""
    document = json.loads(queue.policy or "{}")
    statements = [
        each for each in policies.statements_of(document) if _is_for_events(each.get("Principal", {}))
    ]
    request = Request(
        action="sqs:SendMessage",
        resources=(Resource(arn=queue.queue_arn),),
        context={
            "aws:SourceArn": (rule_arn,),
            "aws:SourceAccount": (ACCOUNT,),
            "aws:SecureTransport": ("true",),
        },
    )
    return policies.refusal(statements, request) is None


def _is_for_events(principal: Any) -> bool:
    if principal == "*" or principal.get("AWS") == "*":
        return True
    services = principal.get("Service", [])
    return "events.amazonaws.com" in ([services] if isinstance(services, str) else services)


def _target_input(target: dict[str, Any], event: dict[str, Any]) -> str:
    """Text for the target."""
    if "Input" in target:
        return str(target["Input"])
    if "InputTransformer" in target:
        transformer = target["InputTransformer"]
        return _transformed(transformer["InputTemplate"], transformer.get("InputPathsMap", {}), event)
    if "InputPath" in target:
        return json.dumps(_value_at(target["InputPath"], event))
    return json.dumps(event)


def _transformed(template: str, paths: dict[str, str], event: dict[str, Any]) -> str:
    """Template with its names replaced: a quoted name by its text, any other by its JSON."""
    for name, path in paths.items():
        value = _value_at(path, event)
        text = value if isinstance(value, str) else json.dumps(value)
        template = template.replace(f'"<{name}>"', json.dumps(text)).replace(f"<{name}>", json.dumps(value))
    return template


def _value_at(path: str, event: dict[str, Any]) -> Any:
    found: Any = event
    for word in path.removeprefix("$").strip(".").split("."):
        if word:
            found = found.get(word) if isinstance(found, dict) else None
    return found


def _invoke_later(account: str, region: str, arn: str, body: str) -> None:
    function = lambda_backends[account][region].get_function(arn)
    threading.Thread(target=function._invoke_lambda, args=(json.loads(body),), daemon=True).start()
