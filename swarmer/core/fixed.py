"""Keys of servers.yml that AWS cannot change after the deploy, and the check of a change.

A subnet cannot move, a bucket cannot get another name, and a stack cannot remove an output that another one
imports. Each stack records its first values in parameters of its template (`stacks/guard.py`), and its
present values in an output. `tests/stacks/test_fixed.py` derives the keys from CloudFormation's own schemas.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from swarmer.core import network_plan
from swarmer.core.cluster import Cluster
from swarmer.core.sections import BrokenRule, Key, Network

NULL: Final = "null"
"""Record of a key without a value: YAML's word."""


class Stack(StrEnum):
    """Suffix of the stack that records a key."""

    REGISTRY = "registry"
    NETWORK = "network"


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """One key that AWS cannot change, in one description."""

    key: Key
    stack: Stack
    parameter: str
    """Name of the parameter that records the value."""
    value: str
    former: tuple[str, ...]
    """Recorded values that AWS can change into `value`, including `value` itself."""
    rule: str
    """Rule about changes, a sentence without a full stop."""

    @property
    def name(self) -> str:
        """Dotted key, for example network.cidr."""
        return ".".join(self.key)

    @property
    def output(self) -> str:
        """Name of the output with the present value."""
        return f"Present{self.parameter}"

    def refusal(self, cluster: str) -> str:
        """One line for a deploy that would change the key.

        It is part of the template, so it can name the new value but not the recorded one.
        """
        return (
            f"servers.yml: {self.name}: {self.rule}, so it cannot become {self.value}; "
            f"write the value that the output {self.output} of the stack {cluster}-{self.stack} has, "
            "or describe a new cluster with another name"
        )


def keys(cluster: Cluster) -> tuple[Fixed, ...]:
    """All keys of the description that AWS cannot change, in the order of their stacks."""
    bucket = cluster.registry.bucket or NULL
    vpc = cluster.network.vpc or NULL
    move = "AWS cannot move a cluster into another VPC"
    registry = _constant("registry", "bucket", Stack.REGISTRY, bucket, "AWS cannot rename a bucket")
    place = _constant("network", "vpc", Stack.NETWORK, vpc, move)
    # In an operator's VPC the stacks make no subnet.
    return (registry, place) if cluster.network.vpc else (registry, place, *_subnets(cluster))


def _constant(section: str, name: str, stack: Stack, value: str, rule: str) -> Fixed:
    """Key that keeps the value of the first deploy."""
    return Fixed(
        key=(section, name),
        stack=stack,
        parameter=f"{section}_{name}".title().replace("_", ""),
        value=value,
        former=(value,),
        rule=rule,
    )


def _subnets(cluster: Cluster) -> tuple[Fixed, ...]:
    """Keys that determine the subnets of the cluster's own VPC."""
    return (
        _constant(
            "network",
            "cidr",
            Stack.NETWORK,
            cluster.network.cidr,
            "AWS cannot change the addresses of a VPC",
        ),
        Fixed(
            key=("network", "zones"),
            stack=Stack.NETWORK,
            parameter="NetworkZones",
            value=_zones(cluster.network),
            former=tuple(_former_zones(cluster.network)),
            rule=_zones_rule(cluster.network),
        ),
    )


def refused(cluster: Cluster, outputs: Callable[[str], Mapping[str, str]]) -> Iterator[BrokenRule]:
    """Changes that AWS cannot make. `outputs`: outputs of a stack by name; empty if it is not deployed.

    A stack of an earlier release has no such output. Its keys are not compared.
    """
    found = {stack: outputs(f"{cluster.name}-{stack}") for stack in Stack}
    for fixed in keys(cluster):
        value = found[fixed.stack].get(fixed.output)
        if value is not None and value not in fixed.former:
            message = f"{fixed.rule}, and {value} is deployed, not {fixed.value}"
            advice = f"write {_written(fixed, value)}, or describe a new cluster with another name"
            yield BrokenRule(fixed.key, message, advice, frozenset())


def _written(fixed: Fixed, value: str) -> str:
    """The recorded value as servers.yml has it."""
    is_list = fixed.key[-1] == "zones" and not value.isdigit()
    return f"[{value.replace(',', ', ')}]" if is_list else value


def _zones(network: Network) -> str:
    return ",".join(network.zone_names) or str(network.zone_count)


def _former_zones(network: Network) -> Iterator[str]:
    """Earlier zones that can become those of the description: fewer zones, at the front of its list.

    A number may become names, because they may be the zones that AWS has chosen. Names cannot become a number
    again, because AWS may choose other zones.
    """
    for count in _former_counts(network):
        yield str(count)
        if network.zone_names:
            yield ",".join(network.zone_names[:count])


def _former_counts(network: Network) -> list[int]:
    """Numbers of zones whose subnets are among those of the description."""
    wanted = network_plan.subnets(network.cidr, network.zone_count)
    numbers = range(1, network.zone_count + 1)
    return [each for each in numbers if network_plan.subnets(network.cidr, each) == wanted[:each]]


def _zones_rule(network: Network) -> str:
    if len(_former_counts(network)) == network.zone_count:
        return "zones can only be added, at the end of the list"
    return f"in a VPC smaller than /{network_plan.GROWING_PREFIX} zones can only be added if no subnet moves"
