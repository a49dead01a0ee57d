"""The parts of a description but for its groups: what they mean, and every rule about them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from swarmer.core import naming_rules, network_plan
from swarmer.core.registration.options import RULES, Options, faults
from swarmer.core.validation import InvalidValue, shown, truth, whole_number

Key = tuple[str, ...]
"""Where in the description: ("groups", "core", "size")."""


class Egress(StrEnum):
    """How nodes reach the outside; nothing reaches them from there."""

    ONE_NAT = "one-nat-gateway"
    NAT_PER_ZONE = "nat-gateway-per-zone"


@dataclass(frozen=True)
class Fault:
    """A broken rule about several values."""

    key: Key
    message: str
    advice: str
    needs: frozenset[Key]
    """What it looked at: where one of them is wrong by itself, this fault says nothing."""


def _egress(value: object) -> Egress:
    if not isinstance(value, str) or value not in list(Egress):
        raise InvalidValue(f"{shown(value)} is no way out", f"take {' or '.join(Egress)}")
    return Egress(value)


class Model(BaseModel):
    """Part of a description. What stands below a key is what docs/servers.md says about it (`reference`):
    what it means; `Default:` and `Rule:`, where the value and its validator say too little."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    def faults(self) -> Iterator[Fault]:
        """Broken rules about several values, also in a draft that `model_construct` made."""
        return iter(())

    @model_validator(mode="after")
    def _obeys(self) -> Self:
        for fault in self.faults():
            raise InvalidValue(f"{'.'.join(fault.key)}: {fault.message}", fault.advice)
        return self


class Network(Model):
    cidr: Annotated[str, BeforeValidator(network_plan.vpc_cidr)] = "10.42.0.0/16"
    """Addresses of the VPC.

    Rule: IPv4 network without host bits, `/16` to `/26`, within 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or
    100.64.0.0/10; apart from Docker's networks and from `vpn_cidr`; large enough, see below.
    """
    zones: Annotated[int, BeforeValidator(partial(whole_number, low=1, high=network_plan.MOST_ZONES))] = 3
    """Number of availability zones that nodes spread over: no more than the region has."""
    egress: Annotated[Egress, BeforeValidator(_egress)] = Egress.ONE_NAT
    """How nodes reach the outside: `one-nat-gateway`, or `nat-gateway-per-zone` (costs more, survives the
    loss of a zone).

    Rule: One of the two.
    """
    service_ports: Annotated[str, BeforeValidator(network_plan.service_ports)] = "30000-60999"
    """Ports that people's services may use between nodes and from the VPN: `LOW-HIGH` or one port.

    Rule: Within 1024-65535 and without the cluster's own: 2377, 4000, 4789, 5000, 7946, 8300, 8301, 8500,
    8600.
    """
    vpn_cidr: Annotated[str, BeforeValidator(network_plan.vpn_cidr)] = "10.43.0.0/22"
    """Addresses of people who come in through AWS Client VPN.

    Rule: As `cidr`, but `/12` to `/22`. AWS cannot change it later, and recommends twice as many addresses as
    people.
    """


class Registry(Model):
    bucket: Annotated[str | None, BeforeValidator(naming_rules.bucket)] = None
    """Name of the S3 bucket that holds the images. One that a destroyed cluster left is taken in by
    `cdk deploy --all --import-existing-resources`.

    Default: null: CloudFormation makes a name up
    Rule: 3 to 63 lower-case letters, digits and hyphens, not a hyphen at an end; no dots (they break TLS);
    not the beginnings and ends that S3 reserves (`xn--`, `sthree-`, `amzn-s3-demo-`; `-s3alias`, `--ol-s3`,
    `--x-s3`, `--table-s3`).
    """


def _option(key: str) -> BeforeValidator:
    return BeforeValidator(RULES[key])


class Registrator(Model):
    """How containers are declared in Consul: `registration.Options`, but for who the node is; and whether the
    agents run scripts."""

    internal: Annotated[bool, _option("internal")] = Options.internal
    """The containers' own addresses and exposed ports instead of the published ones.

    Rule: `true` or `false`.
    """
    network: Annotated[str, _option("network")] = Options.network
    """With `internal`: the Docker network whose address is taken; `SERVICE_NETWORK` of a container goes
    first.

    Default: `""`: the container's own
    Rule: At most 255 characters; as in `tags`.
    """
    explicit: Annotated[bool, _option("explicit")] = Options.explicit
    """Only containers with a `SERVICE_NAME`.

    Rule: `true` or `false`.
    """
    tags: Annotated[str, _option("tags")] = ""
    """Tags of every service, with commas between; a Go template over what `docker inspect` says.

    Rule: At most 1024 characters, of which `"` and `\\` count 2, those beyond ASCII 6 or 12 (so node.json
    carries them); see [registrator.md](registrator.md#tags). In quotes, where it has `{{`.
    """
    deregister: Annotated[str, _option("deregister")] = Options.deregister
    """`on-success`: a container that ended by itself with a status of 1 to 127 stays declared until it is
    removed.

    Rule: `always` or `on-success`.
    """
    use_ip_from_label: Annotated[str, _option("use_ip_from_label")] = Options.use_ip_from_label
    """The address that this label of a container says.

    Rule: At most 255 characters; as in `tags`.
    """
    ip: Annotated[str, _option("ip")] = Options.ip
    """One address for every service of every node.

    Default: `""`: each node's own
    Rule: One IP address, IPv4 or IPv6; not 0.0.0.0 or `::`.
    """
    script_checks: Annotated[bool, BeforeValidator(truth)] = False
    """The nodes' Consul agents run what `SERVICE_CHECK_SCRIPT` and `SERVICE_CHECK_CMD` say, as the node's
    user `consul`. **A risk:** Consul's API has no ACL for now, so whoever reaches port 8500 can run any
    command on any node. A node takes a change when it is replaced.

    Default: `false`: such a service is declared without its check
    Rule: `true` or `false`.
    """
    resync: Annotated[int, _option("resync")] = Options.resync
    """Seconds between two full comparisons.

    Default: `0`: 10, more where there is much to compare
    Rule: 0 or more.
    """
    cleanup: Annotated[bool, _option("cleanup")] = Options.cleanup
    """Accepted, so that command lines can be taken over: what is gone is always removed.

    Rule: `true` or `false`.
    """
    ttl: Annotated[int, _option("ttl")] = Options.ttl
    """Accepted; without effect for Consul, in the original either.

    Rule: 0 or more; together with `ttl_refresh`, and more than it.
    """
    ttl_refresh: Annotated[int, _option("ttl_refresh")] = Options.ttl_refresh
    """As `ttl`.

    Rule: 0 or more.
    """
    retry_attempts: Annotated[int, _option("retry_attempts")] = Options.retry_attempts
    """Accepted; without effect on a node, which waits for Consul.

    Rule: -1 or more.
    """
    retry_interval: Annotated[int, _option("retry_interval")] = Options.retry_interval
    """As `retry_attempts`.

    Rule: 1 or more.
    """

    def faults(self) -> Iterator[Fault]:
        try:
            faults(self.ttl, self.ttl_refresh)
        except InvalidValue as invalid:
            keys = (("registrator", "ttl"), ("registrator", "ttl_refresh"))
            key = keys[0] if self.ttl else keys[1]
            yield Fault(key, invalid.message, invalid.advice, frozenset(keys))


LONGEST_BOOT_S = 7020
"""The launch hook outlasts the deadline (healing.pacing); Auto Scaling refuses one of more than 7200 s."""


class Healing(Model):
    boot_deadline: Annotated[int, BeforeValidator(partial(whole_number, low=30, high=LONGEST_BOOT_S))] = 900
    """Seconds from an instance's launch until the cluster sees it as a member in its role. Later it is
    given up and another is launched. A stock image installs the node software meanwhile."""
    failed_boots: Annotated[int, BeforeValidator(partial(whole_number, low=1, high=20))] = 3
    """So many launches of a group that fail in a row stop its launching, and raise an alarm: every try is
    paid."""
    grace: Annotated[int, BeforeValidator(partial(whole_number, low=30, high=86400))] = 300
    """Seconds for which a node that runs may be out of Consul or Swarm before it is replaced."""
    alarms: Annotated[str | None, BeforeValidator(naming_rules.alarm_target)] = None
    """Whom alarms call, and tell when they are over: an e-mail address, which AWS asks to confirm, or the
    ARN of an SNS topic of the same region that CloudWatch may publish to.

    Default: nobody: alarms are only shown in CloudWatch
    Rule: `you@example.com`, or `arn:aws:sns:REGION:ACCOUNT:NAME` of a standard topic.
    """
