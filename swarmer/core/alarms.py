"""CloudWatch alarms of a cluster: meaning, impact, check and fix.

The stacks write these texts into the alarms, and docs/reference/alarms.md has the same.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from swarmer.core import generated
from swarmer.core.software import FUNCTIONS

PAGE: Final = "docs/reference/alarms.md"
BY_HAND: Final = "Without the command: docs/guides/troubleshooting.md, Recovery by hand."
"""Pointer to the steps for an operator who has no `swarmer`, or whose node is not connected."""
BY_HAND_LINK: Final = (
    "Without the command: [Recovery by hand](../guides/troubleshooting.md#recovery-by-hand)."
)
PLACEHOLDERS: Final = {
    "function": "The function",
    "log": "the log group `/aws/lambda/<name>-<function>`",
    "launch_log": "the log group `/aws/lambda/<name>-register-node`",
    "group": "a group",
    "failed_boots": "`healing.failed_boots`",
}
"""Words that the page has instead of those of one cluster."""


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """One kind of alarm. Its texts may have PLACEHOLDERS, for example `{log}`."""

    name: str
    """End of the alarm's name; CloudFormation puts the stack and the function before it."""
    functions: tuple[str, ...]
    """Functions that have this alarm, by their folders."""
    metric: str
    """Name of the metric in CloudWatch."""
    threshold: float | None = 1
    """Value from which on the alarm is raised; None if each function has its own."""
    period_minutes: int = 1
    """Length of a period, in minutes. The metric has one value for each."""
    periods: int = 1
    """Number of periods in a row with such a value."""
    raised_by_silence_of: tuple[str, ...] = ()
    """Functions whose missing values raise it, too: they write the metric every minute."""
    meaning: str
    impact: str
    check: str
    fix: str

    def description(self, words: Mapping[str, object]) -> str:
        """Description of the alarm in AWS. `words`: values of the placeholders."""
        parts = f"{self.meaning} {self.impact} Check: {self.check} Fix: {self.fix}"
        return f"{_filled(parts, words)} See {PAGE}#{self.name.lower()}."


QUORUM: Final = Alarm(
    name="QuorumAtRisk",
    functions=("deregister_node", "reconcile_cluster"),
    metric="QuorumAtRisk",
    periods=3,
    raised_by_silence_of=("reconcile_cluster",),
    meaning="Consul or Swarm has lost its quorum, or would lose it with one more failure.",
    impact="Without a majority Consul has no leader, or the Swarm accepts no command.",
    check="Run `swarmer status`, and search `at risk` in {log} for the reason.",
    fix="Do not terminate any server or manager. While there is a majority, wait for the replacement. If "
    "there is none and the lost machines are terminated, run `swarmer recover`: one survivor goes on alone, "
    f"and replacements join it. {BY_HAND}",
)
DEAD_LETTERS: Final = Alarm(
    name="DeadLettersWait",
    functions=FUNCTIONS,
    metric="ApproximateNumberOfMessagesVisible",
    meaning="{function} moved a message to its dead-letter queue, because it could not handle it.",
    impact="The step that the message asked for is missing until the sweep repairs it.",
    check="Search `malformed` or `failed` in {log}.",
    fix="Fix the cause, then redrive the dead-letter queue, or purge it: the sweep repairs the rest.",
)
OLD_MESSAGES: Final = Alarm(
    name="OldMessages",
    functions=FUNCTIONS,
    metric="Waited",
    threshold=None,
    meaning="{function} has retried a message for longer than it should.",
    impact="A launch, a removal or a check of the cluster is unfinished.",
    check="The last `waits` or `will try again` in {log} gives the reason: mostly a node, Consul's leader or "
    "Swarm's quorum.",
    fix="Fix the reason. The function then continues without help.",
)
BACKLOG: Final = Alarm(
    name="Backlog",
    functions=FUNCTIONS,
    metric="ApproximateAgeOfOldestMessage",
    threshold=None,
    meaning="{function} takes no messages from its queue.",
    impact="Its work waits. Lifecycle hooks end with their default result.",
    check="Look into {log}: the function does not run, is throttled, or its event source mapping is "
    "disabled.",
    fix="Enable the mapping, or raise the account's quota of concurrent executions.",
)
ERRORS: Final = Alarm(
    name="Errors",
    functions=FUNCTIONS,
    metric="Errors",
    threshold=2,
    period_minutes=5,
    meaning="{function} crashed or reached its time-out, twice within five minutes.",
    impact="Its work is not done. Lifecycle hooks end with their default result.",
    check="Search {log} for the last traceback, or for `Task timed out`.",
    fix="Fix the cause. Messages in the queue are then handled without help.",
)
FAILURES: Final = Alarm(
    name="Failures",
    functions=FUNCTIONS,
    metric="Failures",
    threshold=2,
    period_minutes=5,
    meaning="{function} failed to handle messages, twice within five minutes.",
    impact="Its work is not done. Lifecycle hooks end with their default result.",
    check="Search {log} for the last `failed`, which has the exception.",
    fix="Fix the cause. Messages in the queue are then handled without help.",
)
NO_REGISTRY: Final = Alarm(
    name="NoRegistry",
    functions=("heal_registry",),
    metric="NoRegistry",
    periods=3,
    raised_by_silence_of=("heal_registry",),
    meaning="No manager serves the registry.",
    impact="Pushes and pulls of images fail.",
    check="Run `swarmer status`. If Consul has no leader, see the alarm QuorumAtRisk.",
    fix=f"Run `swarmer handover` to move the registry to another manager. {BY_HAND}",
)
BREAKER_OPEN: Final = Alarm(
    name="BreakerOpen",
    functions=("reconcile_cluster",),
    metric="BreakerOpen",
    meaning="Launches of a group failed {failed_boots} times in a row, so the group stopped launching.",
    impact="The group replaces no lost node.",
    check="Search `given up` in `swarmer events`, or in {launch_log}. It has the reason and the machine's "
    "console.",
    fix="Fix the reason. If that takes a deploy, start it first and resume meanwhile: CloudFormation waits "
    "an hour for the group. Run `swarmer resume GROUP`. The failed boots still count until an instance is "
    "admitted, so the next failure stops the launches again. Without the command: docs/guides/aws.md.",
)
RETAINED: Final = Alarm(
    name="Retained",
    functions=("reconcile_cluster",),
    metric="GroupTerminatingRetainedInstances",
    periods=15,
    meaning="Auto Scaling keeps an instance of {group} in Terminating:Retained: no function answered its "
    "termination hook for five minutes, or its vote was needed for an hour.",
    impact="The instance runs and costs money.",
    check="Search `kept` in {log} for the reason. If the log is silent, no function reaches AWS: look at "
    "the NAT gateway.",
    fix="Wait: the sweep removes the node and ends the instance as soon as the majority allows. Do not end "
    f"the instance by hand before the others are a majority. {BY_HAND}",
)
ALARMS: Final = (
    *(QUORUM, RETAINED, BREAKER_OPEN, NO_REGISTRY),
    *(DEAD_LETTERS, OLD_MESSAGES, BACKLOG, ERRORS, FAILURES),
)
"""Alarms in the order of the page: those about the cluster, then those that every function has."""


def parts() -> dict[str, str]:
    """Generated parts of the page, by the names of the alarms."""
    return {alarm.name: _table(alarm) for alarm in ALARMS} | {"alarms": _index()}


def _index() -> str:
    rows = [
        (f"[`{alarm.name}`](#{alarm.name.lower()})", _filled(alarm.meaning, PLACEHOLDERS)) for alarm in ALARMS
    ]
    return generated.table(("alarm", "meaning"), rows)


def _table(alarm: Alarm) -> str:
    texts = {"meaning": alarm.meaning, "impact": alarm.impact, "check": alarm.check, "fix": alarm.fix}
    rows = [
        (f"**{name}**", _filled(text.replace(BY_HAND, BY_HAND_LINK), PLACEHOLDERS))
        for name, text in texts.items()
    ]
    functions = _purposes(alarm.functions)
    return generated.table(("", ""), [*rows, ("**raised**", _condition(alarm)), ("**functions**", functions)])


def _purposes(functions: tuple[str, ...]) -> str:
    return ", ".join(f"`{each.replace('_', '-')}`" for each in functions)


def _condition(alarm: Alarm) -> str:
    at_least = "the age that its function allows" if alarm.threshold is None else f"{alarm.threshold:g}"
    period = "a minute" if alarm.period_minutes == 1 else f"{alarm.period_minutes} minutes"
    times = period if alarm.periods == 1 else f"each of {alarm.periods} minutes"
    silent = _purposes(alarm.raised_by_silence_of)
    silence = f", or when values of {silent} are missing" if silent else ""
    return f"When the metric `{alarm.metric}` is at least {at_least} in {times}{silence}."


def _filled(text: str, words: Mapping[str, object]) -> str:
    """The text with values instead of placeholders."""
    return string.Formatter().vformat(text, (), words)
