"""The keys of `network`, `image`, `registry`, `registrator` and `healing`, and the rules about them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Annotated, Final, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from swarmer.core import existing_vpc, instance_types, naming_rules, network_plan
from swarmer.core.account_rules import Pairs
from swarmer.core.instance_types import Architecture
from swarmer.core.registration.options import RULES, Options, faults
from swarmer.core.validation import InvalidValue, shown, truth, whole_number

Key = tuple[str, ...]
"""Path of a key in the description: ("groups", "core", "size")."""


class Egress(StrEnum):
    """Route of connections from nodes to the internet. No connection is possible in the other direction."""

    ONE_NAT = "one-nat-gateway"
    NAT_PER_ZONE = "nat-gateway-per-zone"


@dataclass(frozen=True)
class BrokenRule:
    """A broken rule about several values."""

    key: Key
    message: str
    advice: str
    needs: frozenset[Key]
    """Keys that the rule read. If one of them is wrong by itself, this one is not reported."""


def _egress(value: object) -> Egress:
    if not isinstance(value, str) or value not in list(Egress):
        raise InvalidValue(f"{shown(value)} is no egress mode", f"take {' or '.join(Egress)}")
    return Egress(value)


class Model(BaseModel):
    """Part of a description. The docstring below a key becomes its row in docs/reference/servers.md.

    It gives the meaning. `Default:` and `Rule:` follow if the value and its validator do not say enough.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    def broken_rules(self) -> Iterator[BrokenRule]:
        """Broken rules about several values. Works on drafts of `model_construct` as well."""
        return iter(())

    @model_validator(mode="after")
    def _obeys(self) -> Self:
        for broken in self.broken_rules():
            raise InvalidValue(f"{'.'.join(broken.key)}: {broken.message}", broken.advice)
        return self


class Network(Model):
    cidr: Annotated[str, BeforeValidator(network_plan.vpc_cidr)] = "10.42.0.0/16"
    """Address range of the VPC.

    Rule: IPv4 network without host bits, `/16` to `/26`, within 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or
    100.64.0.0/10. It must not overlap Docker's networks or `vpn_cidr`, and must be large enough (see below).
    AWS cannot change it later.
    """
    zones: Annotated[int | tuple[str, ...], BeforeValidator(network_plan.zones)] = 3
    """Availability zones for the nodes: their number, or their names. With a number AWS chooses, and may
    choose others later ([aws.md](../guides/aws.md#zones)).

    Rule: 1 to 6, at most as many as the region has. Or a list of names, like
    `[eu-central-1a, eu-central-1b]`, each once. Later zones can only be added, at the end. In a VPC
    smaller than `/21` that is possible only if no subnet moves. A number can become names.
    """
    egress: Annotated[Egress, BeforeValidator(_egress)] = Egress.ONE_NAT
    """NAT gateways through which nodes reach the internet. `nat-gateway-per-zone` costs more and survives the
    loss of a zone.

    Rule: `one-nat-gateway` or `nat-gateway-per-zone`.
    """
    service_ports: Annotated[str, BeforeValidator(network_plan.service_ports)] = "30000-60999"
    """Ports of your services, open between nodes and from the VPN: `LOW-HIGH` or one port.

    Rule: Within 1024-65535, without the cluster's own ports: 2377, 4000, 4789, 5000, 7946, 8300, 8301, 8500,
    8600.
    """
    vpn_cidr: Annotated[str, BeforeValidator(network_plan.vpn_cidr)] = "10.43.0.0/22"
    """Address range of the clients of AWS Client VPN.

    Rule: As `cidr`, but `/12` to `/22`. AWS cannot change it once the VPN is deployed. AWS recommends twice
    as many addresses as clients.
    """
    vpc: Annotated[str | None, BeforeValidator(existing_vpc.vpc_id)] = None
    """VPC of yours into which the cluster is deployed
    ([aws-account.md](../guides/aws-account.md#a-vpc-of-yours)).
    `cidr` is then its address range that the subnets are in.

    Default: none: the cluster gets a VPC of its own
    Rule: `vpc-` and 8 or 17 hexadecimal digits, together with `cidr` and `subnets`, without `zones` and
    `egress`. A cluster never moves to another VPC.
    """
    subnets: Annotated[Pairs, BeforeValidator(existing_vpc.subnets)] = ()
    """Subnets of `vpc` for the nodes and functions, each with a route to the internet: a mapping from the
    zone to the subnet.

    Default: none: the subnets that the cluster makes
    Rule: 1 to 6 zones of one region, with one subnet each, like
    `{eu-central-1a: subnet-0123456789abcdef0}`.
    """

    @property
    def zone_count(self) -> int:
        """Number of availability zones."""
        if self.subnets:
            return len(self.subnets)
        return self.zones if isinstance(self.zones, int) else len(self.zones)

    @property
    def zone_names(self) -> tuple[str, ...]:
        """Names of the zones; empty: AWS chooses."""
        if self.subnets:
            return tuple(zone for zone, _ in self.subnets)
        return () if isinstance(self.zones, int) else self.zones

    @property
    def region(self) -> str:
        """Region of the named zones, for example eu-central-1; empty if no zone is named."""
        return self.zone_names[0][:-1] if self.zone_names else ""


class Image(Model):
    base: Annotated[str | None, BeforeValidator(instance_types.image)] = None
    """AMI of the nodes with x86 processors, for a region where Debian's parameter does not exist, or for an
    image of your own. It must be Debian 13 with cloud-init, and its root device `/dev/xvda`.

    Default: Debian's newest image, which `/aws/service/debian/release/13/latest/amd64` names
    Rule: `ami-` and 8 or 17 hexadecimal digits, for a group with an x86 `instance_type`.
    """
    base_arm64: Annotated[str | None, BeforeValidator(instance_types.image)] = None
    """AMI of the nodes with Arm processors (`t4g.small`, `m7g.large` …), with the properties of `base`.

    Default: Debian's newest image, which `/aws/service/debian/release/13/latest/arm64` names
    Rule: As `base`, for a group with an Arm `instance_type`.
    """

    def of(self, processor: Architecture) -> str | None:
        """AMI for the processor; None: Debian's newest."""
        return self.base_arm64 if processor is Architecture.ARM64 else self.base


class Registry(Model):
    bucket: Annotated[str | None, BeforeValidator(naming_rules.bucket)] = None
    """Name of the S3 bucket for the images. To reuse the bucket of a destroyed cluster, run
    `swarmer deploy`, or `cdk deploy --all --import-existing-resources`.

    Default: null: CloudFormation chooses a name
    Rule: 3 to 63 lower-case letters, digits and hyphens, no hyphen at an end, no dots (they break TLS).
    Without the prefixes and suffixes that S3 reserves (`xn--`, `sthree-`, `amzn-s3-demo-`; `-s3alias`,
    `--ol-s3`, `--x-s3`, `--table-s3`). AWS cannot change it later, nor name a bucket that has no name here.
    """


def _option(key: str) -> BeforeValidator:
    return BeforeValidator(RULES[key])


class Registrator(Model):
    """Options for declaring containers in Consul: `registration.Options` except those of one node. In
    addition, whether Consul's agents run scripts."""

    internal: Annotated[bool, _option("internal")] = Options.internal
    """Declare the containers' own addresses and exposed ports instead of the published ones.

    Rule: `true` or `false`.
    """
    network: Annotated[str, _option("network")] = Options.network
    """Docker network whose address is declared, with `internal`. `SERVICE_NETWORK` of a container takes
    precedence.

    Default: `""`: the container's own
    Rule: At most 255 characters, counted as in `tags`.
    """
    explicit: Annotated[bool, _option("explicit")] = Options.explicit
    """Declare only containers with a `SERVICE_NAME`.

    Rule: `true` or `false`.
    """
    tags: Annotated[str, _option("tags")] = ""
    """Tags of every service, separated by commas: a Go template over the output of `docker inspect`.

    Rule: At most 1024 characters. `"` and `\\` count 2, a character beyond ASCII counts 6 or 12 (its length
    in node.json). Put it in quotes if it contains `{{`. See [registrator.md](registrator.md#tags).
    """
    deregister: Annotated[str, _option("deregister")] = Options.deregister
    """When to deregister a stopped container. With `on-success`, a container that ended by itself with an
    exit status of 1 to 127 stays declared until it is removed.

    Rule: `always` or `on-success`.
    """
    use_ip_from_label: Annotated[str, _option("use_ip_from_label")] = Options.use_ip_from_label
    """Label of a container whose value is declared as its address.

    Rule: At most 255 characters, counted as in `tags`.
    """
    ip: Annotated[str, _option("ip")] = Options.ip
    """Address that is declared for every service of every node.

    Default: `""`: each node's own
    Rule: One IPv4 or IPv6 address, except 0.0.0.0 and `::`.
    """
    script_checks: Annotated[bool, BeforeValidator(truth)] = False
    """Let the nodes' Consul agents run the commands in `SERVICE_CHECK_SCRIPT` and `SERVICE_CHECK_CMD`, as the
    user `consul`. **Risk:** Consul's API has no ACL yet, so every client that reaches port 8500 can run any
    command on any node. A change takes effect on a node when the node is replaced.

    Default: `false`: such services are declared without these checks
    Rule: `true` or `false`.
    """
    resync: Annotated[int, _option("resync")] = Options.resync
    """Seconds between two full comparisons.

    Default: `0`: 10, longer if there is much to compare
    Rule: 0 or more.
    """
    cleanup: Annotated[bool, _option("cleanup")] = Options.cleanup
    """Accepted for compatibility: services of removed containers are always removed.

    Rule: `true` or `false`.
    """
    ttl: Annotated[int, _option("ttl")] = Options.ttl
    """Accepted for compatibility: has no effect with Consul, in the original either.

    Rule: 0 or more. Set it together with `ttl_refresh`, to a larger value.
    """
    ttl_refresh: Annotated[int, _option("ttl_refresh")] = Options.ttl_refresh
    """Accepted for compatibility, like `ttl`.

    Rule: 0 or more.
    """
    retry_attempts: Annotated[int, _option("retry_attempts")] = Options.retry_attempts
    """Accepted for compatibility: has no effect on a node, because a node always waits for Consul.

    Rule: -1 or more.
    """
    retry_interval: Annotated[int, _option("retry_interval")] = Options.retry_interval
    """Accepted for compatibility, like `retry_attempts`.

    Rule: 1 or more.
    """

    def broken_rules(self) -> Iterator[BrokenRule]:
        try:
            faults(self.ttl, self.ttl_refresh)
        except InvalidValue as invalid:
            keys = (("registrator", "ttl"), ("registrator", "ttl_refresh"))
            key = keys[0] if self.ttl else keys[1]
            yield BrokenRule(key, invalid.message, invalid.advice, frozenset(keys))


LONGEST_BOOT_S: Final = 7020
"""Largest `boot_deadline`, in seconds. The launch hook lasts longer than the deadline (healing.pacing), and
Auto Scaling refuses hooks of more than 7200 s."""


class Healing(Model):
    boot_deadline: Annotated[int, BeforeValidator(partial(whole_number, low=30, high=LONGEST_BOOT_S))] = 900
    """Seconds that a new instance has to join the cluster in its role. Auto Scaling then replaces it.
    Instances of a stock image install the node software within this time."""
    failed_boots: Annotated[int, BeforeValidator(partial(whole_number, low=1, high=20))] = 3
    """Number of consecutive failed launches after which the group stops launching and an alarm is raised.
    Every attempt costs money."""
    grace: Annotated[int, BeforeValidator(partial(whole_number, low=30, high=86400))] = 300
    """Seconds that a running node may be missing from Consul or Swarm before it is replaced."""
    alarms: Annotated[str | None, BeforeValidator(naming_rules.alarm_target)] = None
    """Target that is notified when an alarm fires and when it clears. An e-mail address receives a request
    from AWS to confirm. An SNS topic must be in the same region and let CloudWatch publish.

    Default: none: alarms appear only in CloudWatch
    Rule: `you@example.com`, or `arn:aws:sns:REGION:ACCOUNT:NAME` of a standard topic.
    """
