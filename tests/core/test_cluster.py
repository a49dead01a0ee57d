"""Rules for a cluster, from any source of the description."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BeforeValidator, ValidationError

from swarmer.core import names
from swarmer.core.cluster import Cluster, Group, Role
from swarmer.core.instance_types import Architecture
from swarmer.core.sections import Egress, Healing, Image, Model, Network, Registrator, Registry

CORE = [Role.CONSUL_SERVER, Role.SWARM_MANAGER, Role.SWARM_WORKER]
WORKER = [Role.SWARM_WORKER]


def group(name: str = "core", roles: object = tuple(CORE), **values: Any) -> Group:
    return Group.model_validate({"name": name, "roles": roles, **(values or {"size": 3})})


def cluster(*groups: Group, **values: Any) -> Cluster:
    return Cluster.model_validate({"groups": groups or (group(),), **values})


def test_a_cluster_of_one_group_is_enough() -> None:
    one = cluster()
    assert (one.consul_servers, one.swarm_managers, one.nodes) == (3, 3, 3)
    assert one.network.egress is Egress.ONE_NAT


def test_a_cluster_counts_its_nodes_at_most_over_all_groups() -> None:
    several = cluster(
        group("consul", [Role.CONSUL_SERVER], size=5),
        group("managers", [Role.SWARM_MANAGER], size=3),
        group("workers", WORKER, min=1, max=10),
    )
    assert (several.consul_servers, several.swarm_managers, several.nodes) == (5, 3, 18)
    assert several.group("workers").roles == {Role.SWARM_WORKER}
    with pytest.raises(KeyError):
        several.group("nobody")


def test_a_fixed_group_desires_its_size_and_an_elastic_one_leaves_that_to_aws() -> None:
    fixed, elastic = group(size=3), group("workers", WORKER, min=1, max=4)
    assert (fixed.smallest, fixed.desired, fixed.largest) == (3, 3, 3)
    assert (elastic.smallest, elastic.desired, elastic.largest) == (1, None, 4)


@pytest.mark.parametrize("size", [1, 3, 5, 7])
def test_an_odd_number_of_consul_servers_and_managers_up_to_seven_is_taken(size: int) -> None:
    assert cluster(group(size=size)).consul_servers == size


@pytest.mark.parametrize("size", [2, 4, 6, 8])
def test_an_even_number_of_consul_servers_is_refused(size: int) -> None:
    with pytest.raises(ValidationError, match=f"groups.core.size: {size} is even; take 1, 3, 5 or 7"):
        cluster(group(size=size))


def test_more_than_seven_managers_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"9 is too many; take .* Consul servers and Swarm managers"):
        cluster(group(size=9))


def test_a_quorum_role_is_counted_over_all_groups_that_hold_it() -> None:
    assert cluster(group("a", size=2), group("b", size=1)).consul_servers == 3
    with pytest.raises(ValidationError, match="a and b have 4 together, 4 is even"):
        cluster(group("a", size=3), group("b", size=1))


@pytest.mark.parametrize("missing", CORE)
def test_every_cluster_needs_every_role(missing: Role) -> None:
    word = "runs tasks" if missing is Role.SWARM_WORKER else f"no group has the role {missing}"
    with pytest.raises(ValidationError, match=word):
        cluster(group(roles=[role for role in CORE if role is not missing]))


def test_a_cluster_whose_workers_may_all_be_absent_is_refused() -> None:
    with pytest.raises(ValidationError, match="no group is sure to have a node that runs tasks"):
        cluster(group(roles=CORE[:2]), group("workers", WORKER, min=0, max=5))


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        pytest.param({"disk": 20}, "has no size", id="no size at all"),
        pytest.param({"size": 3, "min": 1}, "min beside size", id="size and min"),
        pytest.param({"size": 3, "min": 1, "max": 2}, "min and max beside size", id="size, min and max"),
        pytest.param({"min": 1}, "min stands alone", id="min alone"),
        pytest.param({"max": 1}, "max stands alone", id="max alone"),
        pytest.param({"min": 3, "max": 2}, "3 is more than max, 2", id="min over max"),
        pytest.param({"size": 0}, "0 is too small", id="no node"),
        pytest.param({"min": -1, "max": 2}, "-1 is too small", id="negative"),
        pytest.param({"size": 101}, "101 is too large", id="too many"),
        pytest.param({"size": True}, "true is not a whole number", id="truth value as size"),
        pytest.param({"size": "3"}, '"3" is not a whole number', id="text as size"),
        pytest.param({"size": 3.0}, "3.0 is not a whole number", id="fraction as size"),
        pytest.param({"size": 3, "disk": 7}, "take 8 to 16384", id="disk too small"),
        pytest.param({"size": 3, "disk": 16385}, "take 8 to 16384", id="disk too large"),
        pytest.param({"size": 3, "spot": "yes"}, "neither true nor false", id="text as spot"),
        pytest.param({"size": 3, "color": "red"}, "Extra inputs", id="unknown key"),
    ],
)
def test_a_group_that_cannot_be_is_refused(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        group("workers", WORKER, **values)


@pytest.mark.parametrize("quorum", CORE[:2])
def test_a_group_with_a_quorum_role_neither_grows_nor_runs_on_spot(quorum: Role) -> None:
    with pytest.raises(ValidationError, match="must not grow and shrink"):
        group(roles=[quorum], min=1, max=3)
    with pytest.raises(ValidationError, match="AWS may take spot nodes away"):
        group(roles=[quorum], size=3, spot=True)


def test_workers_may_run_on_spot() -> None:
    assert group("workers", WORKER, size=3, spot=True).spot


@pytest.mark.parametrize(
    ("roles", "complaint"),
    [
        pytest.param([], "the list is empty", id="none"),
        pytest.param("swarm-worker", "not a list", id="text"),
        pytest.param(["swarm-worker", "swarm-worker"], "swarm-worker is listed twice", id="twice"),
        pytest.param(["worker", 3], '"worker" and 3 are no roles', id="unknown"),
        pytest.param([["swarm-worker"]], "a list is no role", id="nested"),
    ],
)
def test_roles_that_cannot_be_are_refused(roles: object, complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        group(roles=roles, size=1)


@pytest.mark.parametrize("kind", ["t3.small", "m7g.2xlarge", "u-6tb1.112xlarge", "m7i.metal-24xl"])
def test_an_ec2_instance_type_is_taken(kind: str) -> None:
    assert group(size=1, instance_type=kind).instance_type == kind


@pytest.mark.parametrize(
    "kind", ["t3", "t3small", "T3.small", "t3.tiny", ".small", "t3.", "t3.small ", 3, ""]
)
def test_what_is_no_instance_type_is_refused(kind: object) -> None:
    with pytest.raises(ValidationError, match="no EC2 instance type"):
        group(size=1, instance_type=kind)


SPOT = ("m7i.large", "m6i.large", "m7a.large")


def test_a_spot_group_takes_several_types_of_one_processor() -> None:
    several = group("workers", WORKER, size=3, spot=True, instance_type=list(SPOT))
    assert several.types == SPOT
    assert several.processor is Architecture.AMD64
    assert group("workers", WORKER, size=3, spot=True, instance_type=["m7g.large"]).types == ("m7g.large",)


def test_a_group_of_other_nodes_has_one_type() -> None:
    with pytest.raises(ValidationError, match=r"take several types; write m7i.large, or spot: true beside"):
        group("workers", WORKER, size=3, instance_type=list(SPOT))
    with pytest.raises(ValidationError, match=r"take several types; write m7i.large($|\s)"):
        group(size=3, instance_type=list(SPOT))
    assert group(size=3, instance_type=["m7i.large"]).types == ("m7i.large",)


@pytest.mark.parametrize(
    ("types", "complaint"),
    [
        pytest.param([], "0 instance types are listed; list 1 to 40", id="none"),
        pytest.param([f"m{n}i.large" for n in range(41)], "41 instance types are listed", id="too many"),
        pytest.param(["t3.small", "t3.small"], "t3.small is listed twice", id="twice"),
        pytest.param(["t3.small", "t3"], '"t3" is no EC2 instance type', id="no type"),
        pytest.param(["t3.small", ["t3.large"]], "a list is no EC2 instance type", id="nested"),
        pytest.param({"t3.small": 1}, "a mapping is no EC2 instance type", id="mapping"),
        pytest.param(
            ["t3.small", "t4g.small", "c7g.large"],
            r"different processors: t3.small \(amd64\) and t4g.small \(arm64\); take types with one",
            id="two processors",
        ),
    ],
)
def test_types_that_cannot_be_in_one_group_are_refused(types: object, complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        group("workers", WORKER, size=3, spot=True, instance_type=types)


def test_the_longest_group_name_still_makes_a_dns_label() -> None:
    longest = group("a" * 43).name
    assert len(names.node_name(longest, "i-0123456789abcdef0")) == 63
    with pytest.raises(ValidationError, match="take at most 43"):
        group("a" * 44)


@pytest.mark.parametrize("name", ["", "1a", "-a", "a-", "a--b", "Web", "web_tier", "web.tier", "a b", "ä"])
def test_a_group_name_that_dns_aws_or_docker_refuses_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="no valid name"):
        group(name)


def test_a_cluster_name_has_no_hyphen_lest_it_matches_another_clusters_groups() -> None:
    assert group("gpu-workers").name == "gpu-workers"
    with pytest.raises(ValidationError, match="no hyphens, a letter first, for example myswarm"):
        cluster(name="my-swarm")


def test_two_groups_of_one_name_are_refused() -> None:
    with pytest.raises(ValidationError, match="two groups have the same name"):
        cluster(group("a", size=2), group("a", size=1))


def test_more_nodes_than_swarms_ingress_network_holds_are_refused() -> None:
    with pytest.raises(ValidationError, match="up to 103 nodes are too many; take 100 at most"):
        cluster(group(), group("workers", WORKER, min=1, max=100))


def test_a_network_without_room_for_all_nodes_and_replacements_is_refused() -> None:
    small = {"cidr": "10.42.0.0/25", "zones": 2}
    assert cluster(group(), network=small)
    with pytest.raises(
        ValidationError, match=r"no room for 4 nodes .* in each of 2 zones; take /24 or larger"
    ):
        cluster(group(), group("workers", WORKER, size=3), network=small)


def test_vpn_clients_and_nodes_have_addresses_apart() -> None:
    with pytest.raises(ValidationError, match=r"overlaps network\.cidr"):
        cluster(network={"vpn_cidr": "10.42.0.0/22"})


@pytest.mark.parametrize("zones", [0, 7, "3", True, None])
def test_a_number_of_zones_that_no_region_has_is_refused(zones: object) -> None:
    with pytest.raises(ValidationError):
        Network.model_validate({"zones": zones})


def test_an_unknown_egress_is_refused_with_the_choice() -> None:
    with pytest.raises(ValidationError, match="take one-nat-gateway or nat-gateway-per-zone"):
        Network.model_validate({"egress": "none"})


@pytest.mark.parametrize("model", [Cluster, Network, Image, Registry, Registrator, Healing, Group])
def test_every_plain_field_has_its_own_rule(model: type[Model]) -> None:
    """`description` relies on it to judge fields one by one."""
    for name, field in model.model_fields.items():
        if name not in {"network", "image", "registry", "registrator", "healing", "groups"}:
            assert [type(rule) for rule in field.metadata] == [BeforeValidator], name


def test_a_dumped_cluster_is_the_same_cluster_again() -> None:
    one = cluster(registry={"bucket": "my-bucket"})
    assert Cluster.model_validate(one.model_dump()) == one


@pytest.mark.parametrize(
    "whom",
    [
        "people+swarm@mail.example.com",
        "arn:aws:sns:eu-west-1:123456789012:people",
        "arn:aws-us-gov:sns:us-gov-west-1:123456789012:people_of-swarm",
    ],
)
def test_alarms_call_an_address_or_a_topic(whom: str) -> None:
    assert cluster(healing={"alarms": whom}).healing.alarms == whom
    assert cluster().healing.alarms is None


@pytest.mark.parametrize(
    "whom",
    [
        "", "people", "people@example", "a b@example.com", "people@example.com, others@example.com",
        "arn:aws:sqs:eu-west-1:123456789012:people", "arn:aws:sns:eu-west-1:123:people",
        "arn:aws:sns:eu-west-1:123456789012:people.fifo", f"{'a' * 250}@example.com",
    ],
)  # fmt: skip
def test_alarms_that_call_nobody_are_refused(whom: str) -> None:
    with pytest.raises(ValidationError, match=r"e-mail|empty|text"):
        cluster(healing={"alarms": whom})
