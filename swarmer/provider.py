"""Interface of a place where clusters run: the same methods on AWS and in the rehearsal."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from swarmer.core.cluster import Cluster
from swarmer.core.cluster_events import ClusterEvent
from swarmer.core.health import Expected, Observation

Write = Callable[[str, bytes], None]
"""Function that takes a piece of output: its stream, `out` or `err`, and its bytes."""


class Provider(Protocol):
    """One cluster at its place. Every method raises UserError with one line: problem, object, remedy."""

    @property
    def name(self) -> str:
        """Name of the provider, a value of `--on`: aws or rehearsal."""

    @property
    def cluster(self) -> Cluster:
        """Description of the cluster."""

    @property
    def place(self) -> str:
        """Words for the cluster's place, for the operator: account and region, or this machine."""

    def version(self) -> str:
        """Release that deployed the cluster; empty without a record."""

    def nodes(self) -> Sequence[Expected]:
        """List the nodes: living instances of the groups, in the order of the description."""

    def terminated(self) -> Collection[str]:
        """List the IDs of this cluster's instances that are gone for good."""

    def outdated(self) -> Collection[str]:
        """List the IDs of instances from an older launch template of their group."""

    def observe(self, nodes: Sequence[Expected]) -> Observation:
        """Ask all running nodes for their reports, and merge these."""

    def run(self, node: Expected, argv: Sequence[str], *, timeout_s: float, write: Write) -> int:
        """Run a command on a node; return its exit status. An interrupt ends the remote command, too.

        Raises NodeUnreachable if this node does not answer.
        """

    def session(self, node: Expected, argv: Sequence[str] = ()) -> int:
        """Connect the terminal with a shell on a node, or with a command of root; return its exit status."""

    def console(self, node: Expected) -> str:
        """Last lines of a node's console; the node may be dead."""

    def reboot(self, nodes: Sequence[Expected]) -> None:
        """Reboot the machines."""

    def terminate(self, node: Expected) -> None:
        """Terminate the instance; its group launches another."""

    def scale(self, group: str, number: int) -> int:
        """Set a group's desired capacity; return the former one."""

    def resume(self, group: str) -> None:
        """Let a group launch nodes again."""

    def events(self, since_ms: int) -> Sequence[ClusterEvent]:
        """List events and log lines of functions since a Unix time in milliseconds, oldest first."""

    def registry_objects(self) -> tuple[str, Sequence[tuple[str, int]]]:
        """Name of the registry's bucket, and key and bytes of each object in it."""
