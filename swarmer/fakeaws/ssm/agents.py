"""Calls of agents: an agent polls for commands, lists its running commands, and reports results.

The protocol is the rehearsal's own; `swarmer/local/run_command_agent.py` uses it. An agent lists its running
commands in each poll, so a lost answer is sent again. A restarted agent runs unfinished commands again. So
does AWS's agent, up to 15 times (amazon-ssm-agent, `processInProgressDocuments`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from swarmer.fakeaws.base import clock, faults, journal
from swarmer.fakeaws.iam import authorization
from swarmer.fakeaws.ssm import state
from swarmer.fakeaws.ssm.commands import (
    MAX_ERROR,
    MAX_OUTPUT,
    Command,
    Details,
    Invocation,
    Result,
    finish,
    next_to_send,
)
from swarmer.fakeaws.ssm.state import Agent, State

PATH: Final = "/swarmer/agent"
MAX_WAIT_S: Final = 4.0
"""Longest wait of a poll for work, in seconds; it must be well below `state.LOST_AFTER_S`."""
NEEDED: Final = ("ssm:UpdateInstanceInformation", "ssmmessages:OpenControlChannel")
"""Actions that the node's role needs so that its agent can call."""
OK: Final = "200 OK"
FORBIDDEN: Final = "403 Forbidden"
UNAVAILABLE: Final = "503 Service Unavailable"
ENDS: Final = {"timeout": Details.EXECUTION_TIMED_OUT, "cancel": Details.CANCELLED}
"""Status of a killed step, by the agent's word for the reason."""

Fields = Mapping[str, Any]


def reply(header: str, fields: Fields) -> tuple[str, str]:
    """Status and body for the call of an agent. `header`: Authorization, with the ID of the session's key."""
    session = authorization.session_of(header)
    if session is None:
        return _refused("the credentials are unknown or have expired")
    region = header.partition("Credential=")[2].split("/")[2]
    found, instance_id = state.of(region), session.session_name
    if error := faults.active.error_for(NEEDED[-1], instance_id):
        journal.record_call("fault", error, {"function": instance_id, "error": NEEDED[-1]})
        return UNAVAILABLE, json.dumps({"error": error})
    if found.instance(instance_id) is None:
        return _refused(f"{instance_id} is no instance of {region}")
    refused = authorization.first_refusal(session.role_arn, *((each, "*") for each in NEEDED))
    if refused is not None:
        return _refused(f"the role {session.role_arn} is refused {refused.because}")
    return OK, json.dumps(_call(found, instance_id, fields))


def _refused(why: str) -> tuple[str, str]:
    return FORBIDDEN, json.dumps({"error": why})


def _call(found: State, instance_id: str, fields: Fields) -> dict[str, Any]:
    with state.changed:
        _register(found, instance_id, fields.get("about", {}))
        for report in fields.get("results", ()):
            _take(found, instance_id, report)
        found.settle()
        if "running" not in fields:
            return {}
        running, ending = frozenset(fields["running"]), frozenset(fields.get("ending", ()))
        _forget_cancelled(found, instance_id, running)
        state.changed.wait_for(
            lambda: any(_work(found, instance_id, running, ending)),
            timeout=min(float(fields.get("wait_s", 0)), MAX_WAIT_S),
        )
        run, end = _work(found, instance_id, running, ending)
        for _, invocation in run:
            invocation.details = Details.IN_PROGRESS
        return {"run": [_described(command) for command, _ in run], "end": end}


def _register(found: State, instance_id: str, about: Fields) -> None:
    now_s, before = clock.now_s(), found.agents.get(instance_id)
    found.agents[instance_id] = Agent(
        called_s=now_s,
        registered_s=before.registered_s if before else now_s,
        version=str(about.get("version", "0.0.0.0")),  # noqa: S104 (no address)
        host=str(about.get("host", instance_id)),
        platform=str(about.get("platform", "Linux")),
        platform_version=str(about.get("platform_version", "")),
    )


def _take(found: State, instance_id: str, report: Fields) -> None:
    """Store the results of an invocation; results of an unknown one are ignored."""
    command = found.commands.get(report["id"])
    if command and instance_id in command.invocations:
        finish(command.invocations[instance_id], tuple(_result(each) for each in report["steps"]))
        state.changed.notify_all()


def _result(step: Fields) -> Result:
    code = int(step["code"])
    exited = Details.SUCCESS if code == 0 else Details.FAILED
    return Result(
        step=step["name"],
        code=code,
        details=ENDS.get(step.get("killed", ""), exited),
        out=str(step["out"])[:MAX_OUTPUT],
        err=str(step["err"])[:MAX_ERROR],
        began_s=float(step["began_s"]),
        ended_s=float(step["ended_s"]),
    )


def _forget_cancelled(found: State, instance_id: str, running: frozenset[str]) -> None:
    """End a cancelled invocation that the agent does not run."""
    for command, invocation in _invocations(found, instance_id):
        if invocation.details == Details.CANCELLING and command.id not in running:
            invocation.details = Details.CANCELLED


def _work(
    found: State, instance_id: str, running: frozenset[str], ending: frozenset[str]
) -> tuple[list[tuple[Command, Invocation]], list[str]]:
    """Commands for the agent to run, and IDs of commands to end."""
    mine = _invocations(found, instance_id)
    now_s = clock.now_s()
    run = [
        (command, each)
        for command, each in mine
        if command.id not in running
        and (each.details == Details.IN_PROGRESS or _is_next(command, each, now_s))
    ]
    end = [
        command.id
        for command, each in mine
        if each.details == Details.CANCELLING and command.id in running - ending
    ]
    return run, end


def _is_next(command: Command, invocation: Invocation, now_s: float) -> bool:
    return any(each is invocation for each in next_to_send(command, now_s))


def _invocations(found: State, instance_id: str) -> list[tuple[Command, Invocation]]:
    """Unfinished commands of the instance."""
    return [
        (command, command.invocations[instance_id])
        for command in found.commands.values()
        if instance_id in command.invocations and not command.invocations[instance_id].is_final
    ]


def _described(command: Command) -> dict[str, Any]:
    steps = [
        {"name": step.name, "action": step.action, "script": step.script, "timeout_s": step.timeout_s}
        for step in command.steps
    ]
    return {"id": command.id, "steps": steps}
