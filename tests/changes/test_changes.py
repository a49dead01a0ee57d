"""servers.yml is changed and deployed again: the cluster becomes what it says, and who goes is drained first.

`make test-changes` runs it, `make test` does not: nodes boot and leave again and again. The tests go through
one cluster's life in their order; a service runs all the while.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from swarmer.core.healing.quorum import Verdict
from swarmer.providers.rehearsal import cloud
from tests.changes.description import EVERYTHING, Described
from tests.rehearsal.conftest import until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]

REPLICAS = 6
FUNCTIONS = ("-deregister-node", "-reconcile-cluster")


class Changing(Described):
    """Cluster with a service that has tasks on its nodes."""

    def serve(self) -> None:
        image = self.push("steady")
        options = ("--name", "steady", "--replicas", str(REPLICAS), "--endpoint-mode", "dnsrr")
        quick = ("--stop-grace-period", "1s", "--update-parallelism", "0")
        self.docker("service", "create", *options, *quick, image, "sleep", "86400")

    def spread(self) -> None:
        """Swarm leaves tasks where they run; told to, it uses new nodes too."""
        self.docker("service", "update", "--force", "steady")
        self.still_serves()

    def still_serves(self) -> None:
        until(lambda: self.running() == REPLICAS, within_s=60, what="the service has lost tasks")

    def running(self) -> int:
        """Tasks that run, on nodes that are there."""
        states = self.docker("service", "ps", "steady", "--format", "{{.CurrentState}} {{.DesiredState}}")
        return sum(each.startswith("Running ") and each.endswith(" Running") for each in states.splitlines())

    def left_in_order(self, group: str) -> int:
        """How many nodes of the group were drained before they were let go, and for no other reason."""
        steps: dict[str, list[str]] = {}
        for line in self.told(*FUNCTIONS):
            if line.get("node", "").startswith(f"{group}-i-"):
                steps.setdefault(line["node"], []).append(line["message"])
        return sum("drained" in each[: each.index("removed")] for each in steps.values() if "removed" in each)

    def at_risk(self) -> list[str]:
        """Log lines of functions about a quorum that a change would have cost."""
        reasons = [line.get("reason", "") for line in self.told(*FUNCTIONS)]
        return [reason for reason in reasons if Verdict.COSTS.value in reason]


@pytest.fixture(scope="module")
def changing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Changing]:
    made = Changing(
        tmp_path_factory.mktemp("changing") / "servers.yml",
        {"core": {"roles": EVERYTHING, "size": 3}, "workers": {"roles": ["swarm-worker"], "size": 1}},
        name="changing",
        network={"cidr": "10.44.0.0/16", "vpn_cidr": "10.45.0.0/22"},
    )
    try:
        made.become()
        made.serve()
        made.still_serves()
        yield made
    finally:
        made.swarmer("down")


def test_workers_come_and_go(changing: Changing) -> None:
    changing.become(workers={"roles": ["swarm-worker"], "size": 2})
    changing.spread()
    changing.become(workers={"roles": ["swarm-worker"], "size": 1})
    assert changing.left_in_order("workers") == 1
    changing.still_serves()


def test_a_group_is_added_and_leaves_drained(changing: Changing) -> None:
    changing.become(batch={"roles": ["swarm-worker"], "size": 1})
    changing.spread()
    changing.become(batch=None)
    assert changing.left_in_order("batch") == 1
    changing.still_serves()


def test_a_quorum_grows_from_three_to_five_and_shrinks_again(changing: Changing) -> None:
    before = {each.name for each in changing.nodes() if each.group == "core"}
    changing.become(core={"roles": EVERYTHING, "size": 5})
    assert before < {each.name for each in changing.nodes()}, "nobody was replaced"
    changing.become(core={"roles": EVERYTHING, "size": 3})
    assert changing.left_in_order("core") == 2
    assert changing.at_risk() == []
    changing.still_serves()


def test_a_quorum_moves_to_another_group_and_stays_the_same_cluster(changing: Changing) -> None:
    """The old group goes when the new one votes, a node at a time: a new name in servers.yml is no loss."""
    swarm = cloud.cluster_id(changing.env)
    changing.become(core=None, heart={"roles": EVERYTHING, "size": 3})
    assert changing.left_in_order("core") == 2 + 3
    assert (
        cloud.cluster_id(changing.env)
        == swarm
        == changing.docker("info", "--format", "{{.Swarm.Cluster.ID}}").strip()
    )
    changing.still_serves()


def test_what_aws_cannot_change_is_refused_and_nothing_happens(changing: Changing) -> None:
    before = changing.status()
    name, group = next(iter(changing.groups.items()))
    changing.path.write_text(
        yaml.safe_dump(
            {
                **changing.more,
                "network": {**changing.more["network"], "zones": 2},
                "registry": {"bucket": "another-name"},
                "groups": {**changing.groups, name: {**group, "size": 5}},
            }
        )
    )
    done = changing.swarmer("up")
    assert done.returncode == 2
    assert "registry.bucket: AWS cannot rename a bucket, and null is deployed" in done.stderr
    assert "network.zones: zones can only be added, at the end of the list, and 3 is deployed" in done.stderr
    assert changing.status()["nodes"] == before["nodes"]
    changing.write()
    changing.still_serves()
