"""A cluster on AWS, through AWS's APIs alone, without a connection to its network."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import ClassVar, Final

from swarmer.adapters import aws, log_groups, session
from swarmer.adapters.operator import Account, usual
from swarmer.core import cluster_events, merged_reports, names, node_report
from swarmer.core.cluster import Cluster
from swarmer.core.cluster_events import ClusterEvent
from swarmer.core.errors import NotDeployed, UserError
from swarmer.core.health import Expected, Observation
from swarmer.core.node_report import NodeFacts
from swarmer.core.software import FUNCTIONS
from swarmer.core.state import GroupInstance
from swarmer.provider import Write
from swarmer.providers.aws import commands, reports
from swarmer.providers.aws.explained import explained

NOT_CONNECTED: Final = "TargetNotConnected"
"""Error code of StartSession for an instance whose agent is not connected."""


class AwsProvider:
    """Cluster in an account. It implements swarmer.provider.Provider."""

    name: ClassVar[str] = "aws"

    def __init__(self, cluster: Cluster, account: Account) -> None:
        self.cluster = cluster
        self._account = account

    @classmethod
    def open(cls, cluster: Cluster) -> AwsProvider:
        """Provider for the usual credentials. Raises UserError unless the cluster is deployed there."""
        with explained("", region="", silence=""):
            provider = cls(cluster, usual(cluster.network.region))
        try:
            provider.version()
        except UserError as exc:
            # The operator's permissions may be limited to the cluster's own region.
            if cluster.network.region or not _is_denied(exc):
                raise
            region = provider.account.region
            raise UserError(
                f"{exc}; if the cluster is in another region than {region}, export AWS_REGION", status=1
            ) from exc
        return provider

    @property
    def account(self) -> Account:
        """Account of the cluster, with the number of its calls."""
        return self._account

    @cached_property
    def place(self) -> str:
        """Account and region."""
        with self._for_viewer():
            return f"AWS, account {self._account.id()}, {self._account.region}"

    def version(self) -> str:
        """Release that deployed the cluster. Raises NotDeployed if the region has no such cluster."""
        return self._outputs("cluster").get(names.OUTPUT_VERSION, "")

    def nodes(self) -> list[Expected]:
        with self._for_viewer():
            found = self._account.members(self.cluster.name)
            retained = self._account.retained(self._groups)
        order = {group.name: position for position, group in enumerate(self.cluster.groups)}
        nodes = [_expected(each, is_retained=each.id in retained) for each in found]
        return sorted(nodes, key=lambda node: (order.get(node.group, len(order)), node.name))

    def terminated(self) -> set[str]:
        with self._for_viewer():
            return self._account.terminated(self.cluster.name)

    def outdated(self) -> set[str]:
        with self._for_viewer():
            return self._account.outdated(self._groups)

    def observe(self, nodes: Sequence[Expected]) -> Observation:
        up = {node.instance_id: node.name for node in nodes if node.runs}
        with self._for_viewer():
            told = reports.ask(self._account, self.cluster.name, up)
        found, unreadable = _facts(told.texts, up)
        silent = {up[each]: why for each, why in told.silent.items()}
        return merged_reports.merge(found, nodes, silent | unreadable)

    def run(self, node: Expected, argv: Sequence[str], *, timeout_s: float, write: Write) -> int:
        with self._for_operator():
            return commands.run(self._account, self.cluster.name, node, argv, timeout_s, write)

    def session(self, node: Expected, argv: Sequence[str] = ()) -> int:
        """Connect the terminal with a shell on a node, or with a command of root; return its exit status."""
        # A session's user is not root, but Debian's images allow it to become root.
        wanted = session.request(node.instance_id, shlex.join(["sudo", *argv]) if argv else "")
        with self._for_operator():
            try:
                return session.run(self._account, wanted)
            except session.PluginMissing as exc:
                raise UserError(str(exc)) from exc
            except aws.Refused as exc:
                if exc.code == NOT_CONNECTED:
                    raise commands.not_connected(node) from exc
                raise

    def console(self, node: Expected) -> str:
        with self._for_operator():
            return self._account.console(node.instance_id)

    def reboot(self, nodes: Sequence[Expected]) -> None:
        with self._for_operator():
            self._account.reboot([node.instance_id for node in nodes])

    def terminate(self, node: Expected) -> None:
        with self._for_operator():
            self._account.terminate(node.instance_id)

    def scale(self, group: str, number: int) -> int:
        with self._for_operator():
            before = self._account.scale(names.group_asg_name(self.cluster.name, group), number)
        if before is None:
            raise UserError(f"{group} is not deployed yet: deploy servers.yml first", status=1)
        return before

    def resume(self, group: str) -> None:
        with self._for_operator():
            self._account.resume_launches(names.group_asg_name(self.cluster.name, group))

    def events(self, since_ms: int) -> list[ClusterEvent]:
        with self._for_viewer():
            return sorted(self._events(since_ms), key=lambda event: event.time_ms)

    def _events(self, since_ms: int) -> Iterator[ClusterEvent]:
        for each in log_groups.events(
            self._account, names.events_log_group(self.cluster.name), since_ms=since_ms
        ):
            yield cluster_events.of_bus(each.id, each.time_ms, each.message)
        for folder in FUNCTIONS:
            function = folder.replace("_", "-")
            group = names.function_log_group(self.cluster.name, function)
            for each in log_groups.events(self._account, group, since_ms=since_ms):
                yield cluster_events.of_function(each.id, each.time_ms, function, each.message)

    def registry_objects(self) -> tuple[str, list[tuple[str, int]]]:
        bucket = self._outputs("registry")[names.OUTPUT_BUCKET]
        with self._for_operator():
            return bucket, self._account.objects(bucket)

    @property
    def _groups(self) -> list[str]:
        """Names of the cluster's Auto Scaling groups."""
        return [names.group_asg_name(self.cluster.name, group.name) for group in self.cluster.groups]

    def _outputs(self, stack: str) -> Mapping[str, str]:
        name = f"{self.cluster.name}-{stack}"
        with self._for_viewer():
            found = self._account.outputs_if_any(name)
        if found is None:
            raise NotDeployed(self._not_deployed(name))
        return found

    def _not_deployed(self, stack: str) -> str:
        return (
            f"there is no stack {stack} in {self._account.region}: if it is in another region, export "
            "AWS_REGION, or AWS_PROFILE for another account"
        )

    def _for_viewer(self) -> AbstractContextManager[None]:
        return self._explained(names.viewer_policy(self.cluster.name, self._account.region))

    def _for_operator(self) -> AbstractContextManager[None]:
        return self._explained(names.operator_policy(self.cluster.name, self._account.region))

    def _explained(self, policy: str) -> AbstractContextManager[None]:
        return explained(policy, region=self._account.region, silence=self._silence())

    def _silence(self) -> str:
        """Line for an endpoint without an answer."""
        return f"AWS does not answer in {self._account.region}: check AWS_REGION and the network"


def _is_denied(failure: UserError) -> bool:
    cause = failure.__cause__
    return isinstance(cause, aws.Unavailable) and cause.reason == aws.Reason.DENIED


def _expected(instance: GroupInstance, *, is_retained: bool) -> Expected:
    return Expected(
        name=names.node_name(instance.group, instance.id),
        instance_id=instance.id,
        group=instance.group,
        roles=instance.roles,
        address=instance.address,
        zone=instance.zone,
        runs=instance.state == "running",
        is_retained=is_retained,
    )


def _facts(told: Mapping[str, str], known: Mapping[str, str]) -> tuple[dict[str, NodeFacts], dict[str, str]]:
    """Reports by node name, and the reason for each invalid text, which may be from another release."""
    found: dict[str, NodeFacts] = {}
    unreadable: dict[str, str] = {}
    for instance_id, text in told.items():
        name = known[instance_id]
        try:
            # Run Command appends the output on standard error.
            found[name] = node_report.decode(text.partition("\n")[0])
        except ValueError as exc:
            unreadable[name] = f"this release cannot read its text ({exc})"
    return found, unreadable
