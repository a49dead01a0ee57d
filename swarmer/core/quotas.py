"""Quotas of an AWS account that a cluster can reach, and the cluster's use of them.

Sources: Amazon EC2 User Guide, "Amazon EC2 On-Demand Instance limits" and "Service quotas for your Spot
Instances"; Amazon VPC User Guide, "Amazon VPC quotas" (read on 2026-11-30). The codes are those of the
console's Service Quotas pages.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

EC2: Final = "ec2"
VPC: Final = "vpc"


@dataclass(frozen=True)
class Quota:
    service: str
    code: str
    name: str
    """Name in the console of Service Quotas."""


VPCS: Final = Quota(VPC, "L-F678F1CE", "VPCs per Region")
ADDRESSES: Final = Quota(EC2, "L-0263D0A3", "EC2-VPC Elastic IPs")
NAT_GATEWAYS: Final = Quota(VPC, "L-FE5A380F", "NAT gateways per Availability Zone")

STANDARD: Final = tuple("acdhimrtz")
"""First letters of the standard families. Two letters count as the first one: `im4gn` and `is4gen` as I."""
ON_DEMAND: Final = {
    **dict.fromkeys(STANDARD, ("L-1216C47A", "Running On-Demand Standard instances")),
    "dl": ("L-6E869C2A", "Running On-Demand DL instances"),
    "f": ("L-74FC7D96", "Running On-Demand F instances"),
    **dict.fromkeys(("g", "gr", "vt"), ("L-DB2E81BA", "Running On-Demand G and VT instances")),
    "hpc": ("L-F7808C92", "Running On-Demand HPC instances"),
    "inf": ("L-1945791B", "Running On-Demand Inf instances"),
    "p": ("L-417A185B", "Running On-Demand P instances"),
    "trn": ("L-2C3B7624", "Running On-Demand Trn instances"),
    "u": ("L-43DA4232", "Running On-Demand High Memory instances"),
    "x": ("L-7295265B", "Running On-Demand X instances"),
}
"""Quotas of on-demand instances in vCPUs, by the letters at the front of the type."""
SPOT: Final = {
    **dict.fromkeys(STANDARD, ("L-34B43A08", "All Standard Spot Instance Requests")),
    "dl": ("L-85EED4F7", "All DL Spot Instance Requests"),
    "f": ("L-88CF9481", "All F Spot Instance Requests"),
    **dict.fromkeys(("g", "gr", "vt"), ("L-3819A6DF", "All G and VT Spot Instance Requests")),
    "inf": ("L-B5D1601B", "All Inf Spot Instance Requests"),
    "p": ("L-7212CCBC", "All P Spot Instance Requests"),
    "trn": ("L-6B0D517C", "All Trn Spot Instance Requests"),
    "x": ("L-E3A00192", "All X Spot Instance Requests"),
}
"""Quotas of spot instances in vCPUs, by the letters at the front of the type."""


def of_type(instance_type: str, *, spot: bool) -> Quota | None:
    """Quota that counts the vCPUs of a type; None for a family without one."""
    table = SPOT if spot else ON_DEMAND
    letters = re.match(r"[a-z]+", instance_type)
    family = letters[0] if letters else ""
    if family not in ON_DEMAND and family[:1] in STANDARD:
        family = family[:1]
    return Quota(EC2, *table[family]) if family in table else None
