"""Steps of `swarmer deploy`: from servers.yml to a validated cluster in an account."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from swarmer.adapters.account import Bucket
from swarmer.adapters.stacks import StackState
from swarmer.core import account, account_rules, deployment, description, stack_progress
from swarmer.core.account import Facts, Unknown
from swarmer.core.deployment import Changes
from swarmer.core.errors import UserError
from swarmer.core.finding import Finding, State
from swarmer.core.health import Status
from swarmer.local import cdk, host
from swarmer.local.progress import Display, Draw, Row
from swarmer.operations.status import observations
from swarmer.operations.wait import Streak
from swarmer.providers.aws import survey
from swarmer.providers.aws.target import Progress, Target, node_rows

TIMEOUT_S: Final = 1200.0
"""Timeout for the validation of a deployed cluster, in seconds. It exceeds the default boot deadline."""
AGAIN: Final = "swarmer deploy"
NO_ROLLBACK: Final = "--no-rollback"
"""Option of the CDK that keeps the resources of a failed operation."""
BOOTS_ON: Final = (
    "interrupted: everything is deployed, and the nodes boot on; `swarmer status --watch` shows it"
)


class Unsuitable(UserError):
    """The account is unfit for the deploy. `findings`: the missing parts, with remedies."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__(f"nothing was changed: missing: {', '.join(each.what for each in findings)}")
        self.findings = tuple(findings)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Work that the operator confirms."""

    changes: Changes
    bootstraps: bool
    """Whether the CDK's bootstrap is missing in the account and region, or too old."""
    options: tuple[str, ...] = ()
    """Options of `cdk deploy`."""

    @property
    def is_empty(self) -> bool:
        """Whether the deploy has no work."""
        return self.changes.is_empty and not self.bootstraps


@dataclass(kw_only=True)
class Deploy:
    """Shared state of the steps."""

    target: Target
    display: Display
    rolls_back: bool = True
    timeout_s: float = TIMEOUT_S

    def plan(self) -> Plan:
        """Check account and description, and compare. Raises UserError, description.Invalid, Unsuitable."""
        with self.display.step("tools", "Node and CDK"):
            host.ensure_cdk()
        states = self.target.described()
        if line := deployment.hindrance({name: each.status for name, each in states.items()}):
            raise UserError(f"nothing was changed: {line}", status=1)
        with self.display.step("account", "Account") as report:
            facts, lacks_bootstrap = self.examine()
            report(f"={facts.account} in {facts.region}")
        with self.display.step("synth", "cdk synth"):
            self.target.cdk.synthesise()
        with self.display.step("diff", "cdk diff"):
            changes = self.compare(states)
        options: tuple[str, ...] = () if self.rolls_back else (NO_ROLLBACK,)
        if self.imports_bucket(facts, states):
            options += cdk.IMPORTING
        return Plan(changes=changes, bootstraps=lacks_bootstrap, options=options)

    def examine(self) -> tuple[Facts, bool]:
        """Return facts about the account, and whether the CDK's bootstrap is missing. Raises UserError."""
        cluster = self.target.env.cluster
        facts = survey.gather(cluster, self.target.account)
        findings = account.judge(cluster, facts)
        if bad := [each for each in findings if each.is_bad]:
            raise Unsuitable(bad)
        if broken := survey.refused(cluster, self.target.account):
            raise description.invalid(self.target.env.servers, broken)
        return facts, any(each.state is State.MADE_BY_DEPLOY for each in findings)

    def compare(self, states: Mapping[str, StackState]) -> Changes:
        """Return the changes of a deploy. Raises UserError."""
        deployed = {name: each for name, each in states.items() if each.has_resources}
        text = self.target.cdk.diff(tuple(deployed)) if deployed else ""
        return Changes(
            created={
                name: self.target.cdk.resources(name) for name in self.target.names if name not in deployed
            },
            remade=tuple(states.keys() - deployed.keys()),
            changed=deployment.differences(text),
            images=tuple(self.newer_images(deployed)),
            unsettled={
                name: each.status for name, each in deployed.items() if each.status not in deployment.SETTLED
            },
        )

    def newer_images(self, deployed: Mapping[str, StackState]) -> list[tuple[str, str, str]]:
        """Parameter, deployed AMI and newest AMI, of each image with a newer AMI."""
        nodes = deployed.get(self.target.names[-1])
        if nodes is None:
            return []
        with self.target.explained():
            newest = {
                name: self.target.account.parameter(name) or ""
                for name in survey.image_parameters(self.target.env.cluster)
            }
        known = nodes.resolved
        return [
            (name, known[name], ami) for name, ami in newest.items() if known.get(name, ami) != ami and ami
        ]

    def imports_bucket(self, facts: Facts, states: Mapping[str, StackState]) -> bool:
        """Whether the bucket that servers.yml names is left from a deleted stack."""
        registry = states.get(self.target.names[0])
        is_there = not isinstance(facts.bucket, Unknown) and facts.bucket == Bucket.OWN
        return is_there and (registry is None or not registry.has_resources)

    def carry_out(self, plan: Plan) -> Status:
        """Bootstrap and deploy by the plan; wait until the cluster is validated. Raises UserError."""
        if plan.bootstraps:
            with self.display.step("bootstrap", "cdk bootstrap"):
                self.bootstrap()
        if not plan.changes.is_empty:
            with self.display.parts("deploy", "cdk deploy --all") as draw:
                self.deploy(plan.options, draw)
        try:
            with self.display.parts("validate", f"{self.target.env.cluster.name} is validated") as draw:
                return self.validate(draw)
        except KeyboardInterrupt as exc:
            raise UserError(BOOTS_ON, status=130) from exc

    def bootstrap(self) -> None:
        """Run `cdk bootstrap` with the tags and the boundary of servers.yml. Raises UserError."""
        cluster = self.target.env.cluster
        options = [word for key, value in cluster.tags for word in ("--tags", f"{key}={value}")]
        boundary = cluster.permissions_boundary
        if boundary and not account_rules.is_of_aws(boundary):
            options += ["--custom-permissions-boundary", account_rules.policy_name(boundary)]
        self.target.cdk.bootstrap(self.target.account.id, self.target.account.region, *options)

    def deploy(self, options: Sequence[str], draw: Draw) -> None:
        """Run `cdk deploy --all` and show its progress. Raises UserError."""
        progress = Progress(self.target)
        work = self.target.cdk.deploying(*options)
        if progress.follow(work, draw, again=AGAIN, more=self.booting):
            raise self.failure(progress)

    def booting(self, progress: Progress) -> list[Row]:
        """Row for each known node after the beginning of its stack."""
        if not progress.has_begun(self.target.names[-1]):
            return []
        try:
            return node_rows(next(observations(self.target.provider)).nodes)
        except UserError:
            return []  # the command documents do not exist yet, or AWS throttles

    def failure(self, progress: Progress) -> UserError:
        """Error with the first failed resource; else with the CDK's last lines."""
        reason = stack_progress.failure(progress.stacks)
        if not reason:
            return self.target.cdk.failure("deploy")
        log = self.target.cdk.log("deploy")
        return UserError(f"cdk deploy failed: {reason}; correct it and deploy again ({log})", status=1)

    def validate(self, draw: Draw) -> Status:
        """Observe until the cluster is validated. Raises UserError if it is not in time."""
        deadline_s, streak, note = time.monotonic() + self.timeout_s, Streak(), "nobody was asked"
        while time.monotonic() < deadline_s:
            try:
                status = next(observations(self.target.provider))
            except UserError as exc:
                streak, note = Streak(), str(exc)  # AWS throttles, or the network is away for a moment
                draw((), note)
            else:
                if streak.add(status):
                    return status
                note = streak.note(status)
                draw(node_rows(status.nodes), note)
            time.sleep(self.target.pause_s)
        what = f"everything is deployed, but the cluster is not validated after {self.timeout_s:.0f} s"
        raise UserError(f"{what}: {note}; `swarmer events` gives the reason", status=1)
