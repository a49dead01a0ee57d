"""Steps of `swarmer destroy`: from a deployed cluster to the resources that outlive it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from swarmer.adapters.account import Bucket
from swarmer.adapters.stacks import StackResource, StackState
from swarmer.core import deployment, stack_progress
from swarmer.core.deployment import BUCKET
from swarmer.core.errors import UserError
from swarmer.local import host
from swarmer.local.progress import Display, Draw
from swarmer.providers.aws.target import Progress, Target

AGAIN: Final = "swarmer destroy"
MANAGED_POLICY: Final = "AWS::IAM::ManagedPolicy"
ROLE: Final = "AWS::IAM::Role"


@dataclass(frozen=True, kw_only=True)
class Removal:
    """Removal of a deployed cluster that the operator confirms."""

    states: tuple[StackState, ...]
    """Stacks to delete, in the order of their deploy."""
    resources: tuple[StackResource, ...]

    @property
    def retained(self) -> tuple[StackResource, ...]:
        """Resources that outlive their stack."""
        return tuple(each for each in self.resources if each.is_retained)

    def lines(self) -> list[str]:
        """Lines for the operator."""
        gone = {each.name: 0 for each in self.states}
        for each in self.resources:
            gone[each.stack] += not each.is_retained
        found = [f"  {stack}: {number} resources are deleted" for stack, number in gone.items()]
        return found + [f"  {each.kind} {each.id} is kept" for each in self.retained]


@dataclass(kw_only=True)
class Destroy:
    """Shared state of the steps."""

    target: Target
    display: Display

    def plan(self) -> Removal | None:
        """Find the stacks and the resources that remain; None if no stack exists. Raises UserError."""
        with self.display.step("tools", "Node and CDK"):
            host.ensure_cdk()
        with self.display.step("stacks", "Stacks"):
            states = self.target.described()
            if line := deployment.removal_hindrance({name: each.status for name, each in states.items()}):
                raise UserError(f"nothing was destroyed: {line}", status=1)
            with self.target.explained():
                resources = self.resources(states.values())
                self.check_policies(resources)
        return Removal(states=tuple(states.values()), resources=tuple(resources)) if states else None

    def resources(self, states: Iterable[StackState]) -> list[StackResource]:
        """Resources of existing stacks. Raises aws.Unavailable."""
        # A stack in review has no template yet.
        made = [each for each in states if each.status != "REVIEW_IN_PROGRESS"]
        listed = (each for state in made for each in self.target.stacks.resources(state))
        return [each for each in listed if each.status != "DELETE_COMPLETE"]

    def check_policies(self, resources: Sequence[StackResource]) -> None:
        """Check that people attached no policy of the cluster. Raises UserError, aws.Unavailable."""
        policies = [each.id for each in resources if each.kind == MANAGED_POLICY and each.id]
        found = [each for policy in policies for each in self.target.account.attachments(policy)]
        own = {each.id for each in resources if each.kind == ROLE}
        if line := deployment.attached_by_hand(found, own):
            raise UserError(line, status=1)

    def carry_out(self, removal: Removal) -> tuple[StackResource, ...]:
        """Destroy the stacks; return the resources that are proved to remain. Raises UserError."""
        with self.display.step("synth", "cdk synth"):
            self.target.cdk.synthesise()
        with self.display.parts("destroy", "cdk destroy --all") as draw:
            self.destroy(draw)
        with self.display.step("proof", "Nothing else is left"):
            return self.prove(removal)

    def destroy(self, draw: Draw) -> None:
        """Run `cdk destroy --all` and show its progress. Raises UserError."""
        progress = Progress(self.target)
        if progress.follow(self.target.cdk.destroying(), draw, again=AGAIN):
            raise self.failure(progress)

    def failure(self, progress: Progress) -> UserError:
        """Error with the first failed resource; else with the CDK's last lines."""
        reason = stack_progress.failure(progress.stacks)
        if not reason:
            return self.target.cdk.failure("destroy")
        return UserError(
            f"cdk destroy failed: {reason}; Lambda's network interfaces may need up to 45 minutes, then "
            f"`{AGAIN}` goes on ({self.target.cdk.log('destroy')})",
            status=1,
        )

    def prove(self, removal: Removal) -> tuple[StackResource, ...]:
        """Check that all stacks and nodes are gone. Raises UserError."""
        if left := [*self.target.described(), *(node.name for node in self.target.provider.nodes())]:
            raise UserError(f"{left[0]} is left, though every stack was deleted: `{AGAIN}` goes on", status=1)
        with self.target.explained():
            return tuple(each for each in removal.retained if self.is_there(each))

    def is_there(self, resource: StackResource) -> bool:
        """Whether a retained resource exists. A cluster retains only buckets, so only these are checked."""
        return resource.kind != BUCKET or self.target.account.bucket(resource.id) is Bucket.OWN
