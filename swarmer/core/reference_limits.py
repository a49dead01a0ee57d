"""Tables of docs/reference/limits.md, generated from the constants of all parts: values and docstrings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from swarmer.core import constants, generated
from swarmer.core.constants import Constant

UNITS: Final = {"_S": "s", "_MS": "ms", "_MINUTES": "min", "_DAYS": "d"}
"""Unit by the end of a constant's name."""
LONGER: Final = {"d": 86_400, "h": 3600, "min": 120}
"""Number of seconds from which on a time is shown in a longer unit, too, by that unit."""
FOLDERS: Final = ("swarmer/core", "swarmer/operations", "swarmer/providers/aws", "node", "lambdas", "stacks")
"""Folders whose times are in a table, or in INTERNAL."""

Choice = str
"""Path of a module, which stands for all its times, or `PATH:NAME` of one constant."""

TOPICS: Final[Mapping[str, tuple[Choice, ...]]] = {
    "description": (
        "swarmer/core/cluster.py:MOST_NODES",
        "swarmer/core/network_plan.py:MOST_ZONES",
        "swarmer/core/naming_rules.py:LONGEST_CLUSTER_NAME",
        "swarmer/core/naming_rules.py:LONGEST_GROUP_NAME",
        "swarmer/core/naming_rules.py:LONGEST_DOMAIN",
        "swarmer/core/account_rules.py:MOST_TAGS",
        "swarmer/core/instance_types.py:MOST",
        "swarmer/core/sections.py:LONGEST_BOOT_S",
        "swarmer/core/description.py:LIMIT_BYTES",
        "swarmer/core/user_data.py:LIMIT_BYTES",
    ),
    "boot": (
        "stacks/auto_scaling.py",
        "node/configure.py",
        "node/provider.py",
        "node/initialization.py",
        "node/former_life.py",
        "node/agent.py:MOST_JOINS",
        "node/agent.py:RECHECK_INTERVAL_S",
        "swarmer/core/swarm_roles.py",
    ),
    "health": (
        "node/health.py",
        "swarmer/core/node_health.py",
        "swarmer/core/node_health.py:FULL_SHARE",
        "swarmer/core/node_health.py:FULL_BYTES",
        "node/agent.py:SWARM_TIMEOUT_S",
    ),
    "registry": (
        "swarmer/core/election.py",
        "node/registry.py",
        "node/registry_proxy.py",
        "node/handover.py",
        "swarmer/core/healing/registry.py",
        "stacks/registry.py",
    ),
    "failover": ("swarmer/core/swarm_failover.py", "node/swarm_failover.py"),
    "registrator": (
        "node/registrator.py",
        "node/routing_mesh.py",
        "swarmer/core/registration/metadata.py:MOST_PAIRS",
        "swarmer/core/registration/metadata.py:LONGEST_KEY",
        "swarmer/core/registration/metadata.py:LONGEST_VALUE",
        "swarmer/core/registration/checks.py:LONGEST_OUTPUT",
    ),
    "healing": (
        "swarmer/core/healing/arrival.py",
        "swarmer/core/healing/departure.py",
        "swarmer/core/healing/reconciliation.py",
        "swarmer/core/healing/pacing.py",
        "lambdas/reconcile_cluster/handler.py",
        "lambdas/heal_registry/handler.py",
    ),
    "functions": (
        "stacks/function.py",
        "stacks/function.py:MEMORY_MB",
        "stacks/function.py:BATCH",
        "stacks/healing.py:SWEEP_MEMORY_MB",
        "lambdas/shared/aws_state.py",
        "lambdas/shared/connections.py",
        "lambdas/shared/messages.py",
        "lambdas/shared/voting_lock.py",
    ),
    "recovery": (
        "node/recover.py",
        "node/quorum_report.py",
        "swarmer/core/recovery.py",
        "swarmer/operations/recover.py",
    ),
    "commands": (
        "swarmer/core/remote_command.py:LONGEST_COMMAND",
        "swarmer/core/remote_command.py:DEFAULT_SECONDS",
        "swarmer/core/remote_output.py:LIMIT",
        "node/remote_command.py:KEPT_S",
        "node/report.py",
        "stacks/command_documents.py",
        "swarmer/operations/observer.py",
        "swarmer/operations/handover.py",
        "swarmer/providers/aws/commands.py",
        "swarmer/providers/aws/reports.py",
        "swarmer/providers/aws/deploy.py",
    ),
}
"""Constants of each table, by its name."""
INTERNAL: Final = frozenset(
    (
        "node/agent.py:JOINING_PAUSE_S",
        "node/agent.py:SETTLED_PAUSE_S",
        "node/recover.py:RETRY_PAUSE_S",
        "node/registrator.py:SELECT_TIMEOUT_S",
        "node/registry_proxy.py:POLL_INTERVAL_S",
        "node/remote_command.py:FLUSH_S",
        "node/remote_command.py:DRAIN_S",
        "node/remote_command.py:END_S",
        "node/remote_command.py:RETRY_S",
        "lambdas/shared/connections.py:SHORTEST_TRY_S",
        "lambdas/shared/voting_lock.py:TRY_PAUSE_S",
        "lambdas/shared/voting_lock.py:END_PAUSE_S",
        "swarmer/core/registration/checks.py:LONGEST_DURATION_S",
        "swarmer/core/remote_command.py:MARGIN_S",
        "swarmer/operations/events.py:OVERLAP_MS",
        "swarmer/operations/events.py:POLL_INTERVAL_S",
        "swarmer/operations/wait.py:OBSERVATION_INTERVAL_S",
        "swarmer/providers/aws/commands.py:FIRST_PAUSE_S",
        "swarmer/providers/aws/commands.py:LONGEST_PAUSE_S",
        "swarmer/providers/aws/target.py:PAUSE_S",
    )
)
"""Times that an operator cannot notice: pauses of loops, margins, and limits of formats."""


def parts(root: Path) -> dict[str, str]:
    """Generated parts of the page, by their names. Raises ValueError for a constant without a docstring."""
    return {
        f"limits-{topic}": generated.table(
            ("limit", "value", "meaning"), (_row(root, each) for each in chosen(root, topic))
        )
        for topic in TOPICS
    }


def chosen(root: Path, topic: str) -> list[Constant]:
    """Constants of a table, in its order. Raises ValueError for a choice that names none."""
    found = []
    for choice in TOPICS[topic]:
        path, _, name = choice.partition(":")
        known = constants.constants(root, path)
        matching = [each for each in known if each.name == name or (not name and _is_shown(each))]
        if not matching:
            raise ValueError(f"{choice}: there is no such constant")
        found += matching
    return found


def times(root: Path) -> Iterator[Constant]:
    """Every constant of FOLDERS whose name ends with a unit of time."""
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            yield from (
                each for each in constants.constants(root, str(path.relative_to(root))) if unit(each.name)
            )


def unit(name: str) -> str:
    """Unit in the name of a constant; empty if it has none."""
    return next((text for end, text in UNITS.items() if name.endswith(end)), "")


def shown(name: str, value: Any) -> str:
    """Value with its unit. Seconds stand in a longer unit, too, if it divides them: `3,600 s (1 h)`."""
    if not unit(name):
        return f"{value:,}"
    text = f"{value:,g} {unit(name)}"
    if unit(name) == "s":
        for longer, least in LONGER.items():
            length = 60 if longer == "min" else least
            if value >= least and value % length == 0:
                return f"{text} ({value / length:g} {longer})"
    return text


def _is_shown(constant: Constant) -> bool:
    return bool(unit(constant.name)) and place(constant) not in INTERNAL


def place(constant: Constant) -> str:
    """The constant as a choice: `PATH:NAME`."""
    return f"{constant.path}:{constant.name}"


def _row(root: Path, constant: Constant) -> tuple[str, str, str]:
    if not constant.docstring:
        raise ValueError(f"{place(constant)} has no docstring: describe what it means")
    value = shown(constant.name, constants.value(root, constant))
    module = constant.path.removesuffix(".py").replace("/", ".").removeprefix("swarmer.")
    return f"`{module}.{constant.name}`", value, constant.docstring
