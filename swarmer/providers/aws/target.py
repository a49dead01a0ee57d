"""Account and region of a deploy, and the progress of work there."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from swarmer.adapters import aws
from swarmer.adapters.account import Account
from swarmer.adapters.operator import usual
from swarmer.adapters.stacks import Stacks, StackState
from swarmer.core import deployment
from swarmer.core.deployment import stack_names
from swarmer.core.errors import UserError
from swarmer.core.health import NodeStatus
from swarmer.core.stack_progress import StackProgress
from swarmer.core.state import MemberStatus
from swarmer.local import environment
from swarmer.local.cdk import Cdk
from swarmer.local.environment import Environment
from swarmer.local.progress import Draw, Row
from swarmer.operations.stack_following import Follower
from swarmer.provider import Provider
from swarmer.providers.aws import survey
from swarmer.providers.aws.explained import explained
from swarmer.providers.aws.provider import AwsProvider

POLICY: Final = "ReadOnlyAccess"
"""Managed policy of AWS that allows every query of a deploy. The CDK's roles do the rest."""
PAUSE_S: Final = 3.0
"""Pause between two queries of the progress, in seconds: AWS limits the rate of calls."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Place of a cluster that need not be deployed yet."""

    env: Environment
    account: Account
    provider: Provider
    cdk: Cdk
    pause_s: float
    """Pause between two queries of the progress, in seconds."""

    @classmethod
    def on_aws(cls, env: Environment) -> Target:
        """Target for the usual credentials, in the description's region or the usual one.

        Raises UserError without credentials or region.
        """
        account = survey.opened(Account(region=env.cluster.network.region))
        folder = environment.STATE / "aws" / f"{account.id}-{account.region}" / env.cluster.name
        folder.mkdir(parents=True, exist_ok=True)
        # The CDK has other rules for the region of a profile.
        variables = {**os.environ, "AWS_REGION": account.region}
        return cls(
            env=env,
            account=account,
            provider=AwsProvider(env.cluster, usual(account.region)),
            cdk=Cdk(servers=env.servers, folder=folder, variables=variables),
            pause_s=PAUSE_S,
        )

    @cached_property
    def stacks(self) -> Stacks:
        """Queries about stacks."""
        return Stacks(self.account)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the cluster's stacks, in their order."""
        return stack_names(self.env.cluster.name)

    def described(self) -> dict[str, StackState]:
        """Existing stacks of the cluster by name, in their order. Raises UserError."""
        with self.explained():
            found = self.stacks.described(self.names)
        return {name: found[name] for name in self.names if name in found}

    def explained(self) -> AbstractContextManager[None]:
        """Context that turns failures of AWS into UserError."""
        return explained(POLICY, region=self.account.region, silence=survey.SILENCE)


class Progress:
    """Progress of the target's stacks since its creation. After a failed query the last answer stays."""

    def __init__(self, target: Target) -> None:
        """Remember the last events of existing stacks. Raises UserError."""
        self._target = target
        with target.explained():
            self._follower = Follower(target.stacks, target.names)
        self.stacks: list[StackProgress] = []
        """Progress of each stack at the last query, in their order."""
        self.note = ""

    def look(self) -> None:
        """Query the progress again."""
        try:
            self.stacks, self.note = self._follower.look(), ""
        except aws.Unavailable as exc:
            # The CDK's command is at work meanwhile, and it asks again, too.
            self.note = f"AWS does not report the progress: {' '.join(str(exc).split())}"

    def has_begun(self, stack: str) -> bool:
        """Whether CloudFormation has begun with a stack."""
        return any(each.name == stack and each.status for each in self.stacks)

    @property
    def at_work(self) -> list[str]:
        """Names of the stacks on which CloudFormation was at work at the last query."""
        return [each.name for each in self.stacks if each.status.endswith("_IN_PROGRESS")]

    def follow(
        self,
        work: AbstractContextManager[subprocess.Popen[bytes]],
        draw: Draw,
        *,
        again: str,
        more: Callable[[Progress], list[Row]] | None = None,
    ) -> int:
        """Show the progress until a command of the CDK ends; return its exit status.

        `again`: command to continue after an interruption. `more`: rows below those of the stacks.
        Raises UserError after Ctrl-C.
        """
        try:
            with work as running:
                while not _has_ended(running, self._target.pause_s):
                    self.look()
                    draw([*self.rows(), *(more(self) if more else [])], self.note)
                self.look()
                draw(self.rows(), self.note)
        except KeyboardInterrupt as exc:
            raise UserError(deployment.interrupted(self.at_work, again), status=130) from exc
        return running.returncode

    def rows(self) -> list[Row]:
        """Row for each stack."""
        return [Row(name=each.name, phase=each.phase, is_done=each.is_settled) for each in self.stacks]


def node_rows(nodes: Sequence[NodeStatus]) -> list[Row]:
    """Row for each node."""
    return [_node_row(each) for each in nodes]


def _node_row(node: NodeStatus) -> Row:
    is_done = node.consul == MemberStatus.ALIVE and node.swarm == "ready"
    is_absent = node.consul == node.swarm == "absent"
    phase = "boots" if is_absent else f"Consul sees it {node.consul}, Swarm {node.swarm}"
    return Row(name=node.name, place=node.zone, phase=phase, is_done=is_done)


def _has_ended(running: subprocess.Popen[bytes], within_s: float) -> bool:
    """Whether a process ends in this time."""
    try:
        running.wait(within_s)
    except subprocess.TimeoutExpired:
        return False
    return True
