"""Estimate of what a smoke test creates, how long it takes and what it costs. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from swarmer.core.cluster import Cluster
from swarmer.core.sections import Egress

HOURS: Final = 1.5
"""Time of a run for the estimate, in hours: 15 minutes to deploy, 10 to heal, and up to 45 in which Lambda
gives the functions' network interfaces back."""
SPARE_HOURS: Final = 0.5
"""Time for which the instance that replaces the terminated one counts in addition, in hours."""
HOURS_OF_MONTH: Final = 730.0
ALARMS: Final = 25
"""Number of alarms of the stacks; tests/smoke/test_estimate.py counts them."""
METRICS: Final = 40
"""Largest number of custom metrics that the functions write."""
BOOT_GB: Final = 0.4
"""Data that one first boot fetches through the NAT gateway, in GB, rounded up."""
INSTANCE_USD: Final = {"t3.small": 0.0208}
"""Price of an instance for an hour, by its type."""
NAT_USD: Final = 0.045
"""Price of a NAT gateway for an hour, and of each GB through it."""
IPV4_USD: Final = 0.005
"""Price of a public IPv4 address for an hour."""
DISK_USD: Final = 0.08
"""Price of one GB of a `gp3` volume for a month."""
ALARM_USD: Final = 0.10
"""Price of a standard alarm for a month."""
METRIC_USD: Final = 0.30
"""Price of a custom metric for a month."""
CREDITS_USD: Final = 0.05
"""Allowance for CPU credits that first boots use beyond the earned ones, for the whole run."""
BASIS: Final = (
    "Basis: AWS's list prices on demand in us-east-1, as this release knows them, without taxes. "
    "Other regions cost up to twice as much. Current prices: https://calculator.aws/"
)
UNMEASURED: Final = "Nobody has measured a run on AWS yet: the times are those that AWS documents or limits."


@dataclass(frozen=True, kw_only=True)
class Item:
    """One position of the bill."""

    what: str
    basis: str
    """Number, time and price, for a person."""
    usd: float


def items(cluster: Cluster) -> list[Item]:
    """Positions of the bill of one run. Raises KeyError for an instance type without a price."""
    number = sum(group.smallest for group in cluster.groups)
    (kind,) = {each for group in cluster.groups for each in group.types}
    gateways = cluster.network.zone_count if cluster.network.egress is Egress.NAT_PER_ZONE else 1
    disk_gb = max(group.disk for group in cluster.groups)
    price, boots = INSTANCE_USD[kind], number + 1
    instance_hours = number * HOURS + SPARE_HOURS
    return [
        Item(
            what=f"{number} instances {kind}, and one more while one is replaced",
            basis=f"{instance_hours:.1f} h × {price}",
            usd=instance_hours * price,
        ),
        Item(
            what=f"{gateways} NAT gateway with its public IPv4 address",
            basis=f"{gateways * HOURS:.1f} h × ({NAT_USD} + {IPV4_USD})",
            usd=gateways * HOURS * (NAT_USD + IPV4_USD),
        ),
        Item(
            what=f"data of {boots} first boots through the NAT gateway",
            basis=f"{boots * BOOT_GB:.1f} GB × {NAT_USD}",
            usd=boots * BOOT_GB * NAT_USD,
        ),
        Item(
            what=f"{boots} volumes of {disk_gb} GB",
            basis=f"{HOURS} h × {boots * disk_gb} GB × {DISK_USD} a month",
            usd=HOURS * boots * disk_gb * DISK_USD / HOURS_OF_MONTH,
        ),
        Item(
            what=f"{ALARMS} alarms, up to {METRICS} metrics",
            basis=f"{HOURS} h × ({ALARMS} × {ALARM_USD} + {METRICS} × {METRIC_USD}) a month",
            usd=HOURS * (ALARMS * ALARM_USD + METRICS * METRIC_USD) / HOURS_OF_MONTH,
        ),
        Item(what="CPU credits of t3, functions, queues, logs, requests", basis="allowance", usd=CREDITS_USD),
    ]


def announcement(cluster: Cluster, place: str, stacks: Sequence[str]) -> str:
    """Text for a person before the run: what it creates, how long it takes, what it costs, what stays."""
    bill = items(cluster)
    width = max(len(each.what) for each in bill)
    return "\n".join(
        [
            f"The smoke test deploys the cluster {cluster.name} into {place}, uses it, and destroys it.",
            "",
            f"It creates the stacks {', '.join(stacks)}:",
            f"a VPC over {cluster.network.zone_count} zones, nodes, four functions that heal them, and a "
            "bucket of images.",
            "",
            f"It takes {HOURS * 60:.0f} minutes at most: 15 to deploy, 10 to heal, up to 45 to destroy. "
            f"{UNMEASURED}",
            "",
            f"It costs about {sum(each.usd for each in bill):.2f} USD:",
            *(f"  {each.what:<{width}}  {each.usd:5.2f}  {each.basis}" for each in bill),
            BASIS,
            "",
            "The bucket stays, because Swarmer never deletes images, and so does the CDK's own stack. "
            "The end of the run names both.",
        ]
    )
