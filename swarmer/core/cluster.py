"""The keys of a cluster and of its groups, and the rules about them; `sections` has the other keys.

A rule about one value is the validator of its field. A rule about several values yields a `BrokenRule`. Both
state the problem and the remedy. Constructing a model applies all rules and raises pydantic's
ValidationError.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from functools import partial
from ipaddress import IPv4Network
from itertools import chain
from typing import Annotated, Final

from pydantic import BeforeValidator

from swarmer.core import account_rules, instance_types, naming_rules, network_plan, node
from swarmer.core.account_rules import Pairs
from swarmer.core.instance_types import Architecture
from swarmer.core.sections import BrokenRule, Healing, Image, Key, Model, Network, Registrator, Registry
from swarmer.core.validation import InvalidValue, listed, shown, truth, whole_number

QUORUM_SIZES: Final = (1, 3, 5, 7)
"""Numbers of Consul servers and of Swarm managers that a cluster may have.

An even number tolerates no more losses than the odd number below it. With more than seven every write is
slow.
"""
QUORUM_CHOICE: Final = "1, 3, 5 or 7"
"""Text for QUORUM_SIZES in messages."""
MOST_NODES: Final = 100
"""Largest number of nodes of a cluster.

Every node takes one of the 254 addresses of Swarm's ingress network; about 150 remain for services and tasks.
"""


class Role(StrEnum):
    """Task of a node. A group may have any combination of roles."""

    CONSUL_SERVER = node.CONSUL_SERVER
    SWARM_MANAGER = node.SWARM_MANAGER
    SWARM_WORKER = node.SWARM_WORKER


QUORUM_ROLES: Final = {Role.CONSUL_SERVER: "Consul servers", Role.SWARM_MANAGER: "Swarm managers"}
"""Roles that vote, with the plural that messages use."""
SIZE_KEYS: Final = ("size", "min", "max")
"""Keys of a group that give its number of nodes."""


def _whole_number_or_none(value: object, *, low: int) -> int | None:
    return None if value is None else whole_number(value, low=low, high=MOST_NODES)


def _roles(value: object) -> frozenset[Role]:
    choice = f"take from {', '.join(Role)}"
    if not isinstance(value, list | tuple | set | frozenset):
        raise InvalidValue(f"{shown(value)} is not a list", f"write a list in brackets; {choice}")
    roles = list(value)
    wrong = [shown(role) for role in roles if not isinstance(role, str) or role not in list(Role)]
    if wrong:
        raise InvalidValue(f"{listed(wrong)} {'is no role' if len(wrong) == 1 else 'are no roles'}", choice)
    if not roles:
        raise InvalidValue("the list is empty, its nodes would do nothing", choice)
    if twice := sorted({role for role in roles if roles.count(role) > 1}):
        raise InvalidValue(f"{listed(twice)} is listed twice", "name each role once")
    return frozenset(map(Role, roles))


Bound = Annotated[int | None, BeforeValidator(partial(_whole_number_or_none, low=0))]


class Group(Model):
    name: Annotated[str, BeforeValidator(naming_rules.group_name)]
    """Key of the group below `groups:`."""
    roles: Annotated[frozenset[Role], BeforeValidator(_roles)]
    """Roles of its nodes: a list of `consul-server`, `swarm-manager`, `swarm-worker`.

    Rule: Required. At least one, each once.
    """
    size: Annotated[int | None, BeforeValidator(partial(_whole_number_or_none, low=1))] = None
    """Fixed number of nodes. Set either `size`, or both `min` and `max`."""
    min: Bound = None
    """Smallest number of nodes. A deploy leaves a number between `min` and `max` unchanged.

    Rule: 0 to `max`.
    """
    max: Bound = None
    """Largest number of nodes."""
    instance_type: Annotated[str | tuple[str, ...], BeforeValidator(instance_types.one_or_several)] = (
        "t3.small"
    )
    """EC2 instance type. With `spot` also a list: AWS launches the type with the most spare capacity at the
    lowest price, so more types mean fewer interruptions and fewer missing nodes.

    Rule: `family.size`: `t3.small`, `m7g.2xlarge`, `u-6tb1.112xlarge`. Not `mac…`, which runs macOS only. A
    list has at most 40 types, each once, all with the same processor: x86 or Arm.
    """
    spot: Annotated[bool, BeforeValidator(truth)] = False
    """Use spot instances, which are cheaper, but which AWS may terminate at any time.

    Rule: `true` or `false`.
    """
    disk: Annotated[int, BeforeValidator(partial(whole_number, low=8, high=16384))] = 20
    """Size of the root volume in GiB, on AWS."""
    memory: Annotated[int, BeforeValidator(partial(whole_number, low=512, high=1048576))] = 2048
    """Memory of each virtual machine in MiB ([Vagrant](../tutorial/vagrant.md)). On AWS `instance_type`
    determines it."""
    cpus: Annotated[int, BeforeValidator(partial(whole_number, low=1, high=256))] = 2
    """Number of processors of each virtual machine ([Vagrant](../tutorial/vagrant.md))."""

    @property
    def desired(self) -> int | None:
        """Number of nodes that a deploy requests; None: it leaves the number unchanged."""
        return self.size

    @property
    def smallest(self) -> int:
        return self.size if self.size is not None else self.min or 0

    @property
    def largest(self) -> int:
        return self.size if self.size is not None else self.max or 0

    @property
    def is_sized(self) -> bool:
        """Whether the group has either size, or both min and max. Only drafts may lack them."""
        return (self.size is None) != (self.min is None) and (self.min is None) == (self.max is None)

    @property
    def has_quorum_role(self) -> bool:
        """Whether its nodes vote in Consul or in Swarm."""
        return bool(self.roles & QUORUM_ROLES.keys())

    @property
    def types(self) -> tuple[str, ...]:
        """Instance types that its nodes may have, at least one."""
        return (self.instance_type,) if isinstance(self.instance_type, str) else self.instance_type

    @property
    def processor(self) -> Architecture:
        """Processor of its instance types."""
        return instance_types.architecture(self.types[0])

    def broken_rules(self) -> Iterator[BrokenRule]:
        return _group_rules(self)


class Cluster(Model):
    name: Annotated[str, BeforeValidator(naming_rules.cluster_name)] = "swarmer"
    """Name of the cluster: the prefix of its AWS resources, and the tag `swarmer:cluster` of its instances.

    Rule: Lower-case letters and digits, a letter first, at most 24. No hyphens, because EventBridge rules
    match Auto Scaling groups by the prefix `<name>-`. The prefix of `a` would match the groups of `a-b`.
    Another name is another cluster: the deployed one stays as it is.
    """
    domain: Annotated[str, BeforeValidator(naming_rules.domain)] = "swarmer"
    """DNS domain that Consul serves on every node: `registry.service.<domain>`.

    Rule: Labels of lower-case letters, digits and single hyphens between, a letter first, one dot between
    labels, at most 181 characters. Not below `local`, `localhost`, `localdomain`, `invalid` or `arpa`,
    because the machine resolves these itself. No country (`de`). No domain that would hide names that nodes
    look up outside (`com`, `io`, `internal`, `amazonaws.com` …). For example `swarmer.internal`.
    """
    tags: Annotated[Pairs, BeforeValidator(account_rules.tags)] = ()
    """Tags that your account demands: a mapping, put on every resource that AWS can tag
    ([aws-account.md](../guides/aws-account.md#tags)).

    Default: none
    Rule: At most 40, like `{cost-center: "1234", owner: people@example.com}`. Keys have up to 127 characters,
    values 1 to 256: letters, digits, spaces and `_.:/=+-@`. Not the key `Name`, nor keys of AWS (`aws:`) and
    Swarmer (`swarmer:`), nor two keys that differ only in case.
    """
    permissions_boundary: Annotated[str | None, BeforeValidator(account_rules.permissions_boundary)] = None
    """IAM policy that your account demands as permissions boundary of every role
    ([aws-account.md](../guides/aws-account.md#a-permissions-boundary)).

    Default: none
    Rule: Name of a policy of the account (with its path, if it has one), or the policy's ARN.
    """
    network: Network = Network()
    """Addresses and ports; see below."""
    image: Image = Image()
    """Images that AWS starts the nodes from; see below."""
    registry: Registry = Registry()
    """Registry of the cluster's images; see below."""
    registrator: Registrator = Registrator()
    """Declaration of containers in Consul; see below."""
    healing: Healing = Healing()
    """Time limits for nodes, and the target of alarms; see below."""
    groups: tuple[Group, ...]
    """Groups of machines: a mapping from a group's name to the group; see below.

    Rule: At least one.
    """

    def group(self, name: str) -> Group:
        """The group of that name. Raises KeyError if there is none."""
        return {group.name: group for group in self.groups}[name]

    def with_role(self, role: Role) -> tuple[Group, ...]:
        return tuple(group for group in self.groups if role in group.roles)

    @property
    def consul_servers(self) -> int:
        return _total(self.with_role(Role.CONSUL_SERVER))

    @property
    def swarm_managers(self) -> int:
        return _total(self.with_role(Role.SWARM_MANAGER))

    @property
    def nodes(self) -> int:
        """Largest number of nodes of all groups together."""
        return _total(self.groups)

    def broken_rules(self) -> Iterator[BrokenRule]:
        rules = (_quorum_rules, _worker_rules, _room_rules, _image_rules) if self.groups else ()
        found = (rule(self) for rule in rules)
        of_network = (_vpn_rules(self.network), _vpc_rules(self.network))
        return chain(_group_list_rules(self), *found, *of_network, self.registrator.broken_rules())


def _group_rules(group: Group) -> Iterator[BrokenRule]:
    given = [key for key in SIZE_KEYS if getattr(group, key) is not None]
    held = listed([plural for role, plural in QUORUM_ROLES.items() if role in group.roles])
    if not given:
        yield _broken(group, "the group has no size", "write size: 3, or both min and max")
    elif group.size is not None and len(given) > 1:
        message = f"{listed(given[1:])} beside size"
        yield _broken(group, message, "keep size, or both min and max", given[1])
    elif group.size is None and held:
        advice = f"write size: {QUORUM_CHOICE} instead"
        yield _broken(group, f"a group of {held} must not grow and shrink", advice, given[0])
    elif given in (["min"], ["max"]):
        yield _broken(group, f"{given[0]} stands alone", "write both min and max, or size", given[0])
    elif (group.min or 0) > group.largest:
        yield _broken(group, f"{group.min} is more than max, {group.max}", "take min up to max", "min")
    if group.spot and held:
        message = f"AWS may take spot nodes away at any time, but {held} must stay"
        advice = "take spot out, or give these roles to another group"
        yield BrokenRule(("groups", group.name, "spot"), message, advice, frozenset())
    elif len(group.types) > 1 and not group.spot:
        key = ("groups", group.name, "instance_type")
        message = "only spot groups take several types"
        advice = f"write {group.types[0]}" + ("" if held else ", or spot: true beside the list")
        yield BrokenRule(key, message, advice, _needs((group,), "spot", "instance_type"))


def _broken(group: Group, message: str, advice: str, *key: str) -> BrokenRule:
    return BrokenRule(("groups", group.name, *key), message, advice, _needs((group,), *SIZE_KEYS))


def _group_list_rules(cluster: Cluster) -> Iterator[BrokenRule]:
    if not cluster.groups:
        yield BrokenRule(("groups",), "there is no group", "describe at least one", _needs(()))
    if len({group.name for group in cluster.groups}) < len(cluster.groups):
        yield BrokenRule(("groups",), "two groups have the same name", "rename one of them", _needs(()))


def _quorum_rules(cluster: Cluster) -> Iterator[BrokenRule]:
    needs = _needs(cluster.groups, "roles")
    wrong: dict[tuple[Group, ...], list[str]] = {}
    for role, plural in QUORUM_ROLES.items():
        holders = cluster.with_role(role)
        if not holders:
            advice = f"give it to a group of size {QUORUM_CHOICE}"
            yield BrokenRule(("groups",), f"no group has the role {role}", advice, needs)
        elif all(group.is_sized for group in holders) and _total(holders) not in QUORUM_SIZES:
            wrong.setdefault(holders, []).append(plural)
    for holders, plurals in wrong.items():
        advice = f"take {QUORUM_CHOICE} {listed(plurals)}, they decide by majority"
        key = ("groups", holders[0].name, "size")
        yield BrokenRule(key, _wrong_total(holders), advice, needs | _needs(holders, *SIZE_KEYS))


def _wrong_total(holders: tuple[Group, ...]) -> str:
    total = _total(holders)
    problem = f"{total} is {'even' if total % 2 == 0 else 'too many'}"
    together = f"{listed([group.name for group in holders])} have {total} together, "
    return problem if len(holders) == 1 else together + problem


def _worker_rules(cluster: Cluster) -> Iterator[BrokenRule]:
    workers = cluster.with_role(Role.SWARM_WORKER)
    if all(group.is_sized for group in workers) and not sum(group.smallest for group in workers):
        advice = f"give the role {Role.SWARM_WORKER} to a group that always has a node"
        needs = _needs(cluster.groups, "roles") | _needs(workers, *SIZE_KEYS)
        yield BrokenRule(("groups",), "no group is sure to have a node that runs tasks", advice, needs)


def _room_rules(cluster: Cluster) -> Iterator[BrokenRule]:
    cidr, zones = cluster.network.cidr, cluster.network.zone_count
    needs = _needs(cluster.groups, *SIZE_KEYS)
    if cluster.nodes > MOST_NODES:
        message, advice = f"up to {cluster.nodes} nodes are too many", f"take {MOST_NODES} at most"
        yield BrokenRule(("groups",), message, advice, needs)
    if cluster.network.vpc or cluster.network.subnets:
        return  # only AWS knows how large those subnets are
    # Each group spreads over the zones by itself, and launches a replacement before it terminates a node.
    needed = sum(-(-(group.largest + 1) // zones) for group in cluster.groups)
    smallest = network_plan.smallest_cidr_prefix(zones, needed)
    if IPv4Network(cidr).prefixlen > smallest:
        message = f"{cidr} has no room for {needed} nodes (replacements included) in each of {zones} zones"
        needs |= {("network", "cidr"), ("network", "zones")}
        yield BrokenRule(("network", "cidr"), message, f"take /{smallest} or larger", needs)


def _image_rules(cluster: Cluster) -> Iterator[BrokenRule]:
    processors = {group.processor for group in cluster.groups}
    needs = _needs(cluster.groups, "instance_type")
    for key, processor in (("base", Architecture.AMD64), ("base_arm64", Architecture.ARM64)):
        if cluster.image.of(processor) and processor not in processors:
            message = f"no group has an instance_type with {processor}"
            advice = f"take {key} out, or give a group such a type"
            yield BrokenRule(("image", key), message, advice, needs)


def _vpn_rules(network: Network) -> Iterator[BrokenRule]:
    if IPv4Network(network.cidr).overlaps(IPv4Network(network.vpn_cidr)):
        message = f"{network.vpn_cidr} overlaps network.cidr, {network.cidr}"
        needs = frozenset({("network", "cidr"), ("network", "vpn_cidr")})
        yield BrokenRule(("network", "vpn_cidr"), message, "take addresses apart from it", needs)


def _vpc_rules(network: Network) -> Iterator[BrokenRule]:
    """Rules of a VPC that exists. They read which keys were given, because defaults describe a new VPC."""
    given = network.model_fields_set
    if network.vpc is None:
        if network.subnets:
            yield _vpc_rule("subnets", "no VPC is named", "write vpc: vpc-… beside it")
        return
    if not network.subnets:
        advice = "write subnets: and below it ZONE: subnet-… for each zone"
        yield _vpc_rule("vpc", f"the subnets of {network.vpc} are not named", advice)
    if "cidr" not in given:
        advice = "write the one that its subnets are in"
        yield _vpc_rule("vpc", f"cidr, the address range of {network.vpc}, is missing", advice, "cidr")
    if "zones" in given:
        yield _vpc_rule("zones", "the zones are those of subnets", "take zones out")
    if "egress" in given:
        yield _vpc_rule("egress", f"{network.vpc} has its own egress", "remove the key egress")


def _vpc_rule(key: str, message: str, advice: str, *needs: str) -> BrokenRule:
    keys = frozenset(("network", each) for each in ("vpc", "subnets", *needs))
    return BrokenRule(("network", key), message, advice, keys)


def _needs(groups: tuple[Group, ...], *keys: str) -> frozenset[Key]:
    return frozenset({("groups",), *(("groups", group.name, key) for group in groups for key in keys)})


def _total(groups: tuple[Group, ...]) -> int:
    return sum(group.largest for group in groups)
