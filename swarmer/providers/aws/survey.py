"""Survey of an AWS account: the facts for `core.account`, and the comparison with deployed stacks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from swarmer.adapters import aws
from swarmer.adapters.account import Account, InUse
from swarmer.core import account as judgement
from swarmer.core import fixed, quotas
from swarmer.core.account import BOOTSTRAP_PARAMETER, Facts, Unknown
from swarmer.core.cluster import Cluster
from swarmer.core.errors import UserError
from swarmer.core.instance_types import image_parameter
from swarmer.core.quotas import Quota
from swarmer.core.sections import BrokenRule
from swarmer.providers.aws.explained import explained

SILENCE: Final = "AWS does not answer: check AWS_REGION and the network"
"""Line for an endpoint without an answer."""

T = TypeVar("T")


def gather(cluster: Cluster, asked: Account | None = None) -> Facts:
    """Read facts about the account; change nothing. Facts without permission are `Unknown`.

    Raises UserError without credentials or region.
    """
    account = opened(asked)
    types = sorted({each for group in cluster.groups for each in group.types})
    wanted = judgement.needed_quotas(cluster)
    bucket = cluster.registry.bucket
    return Facts(
        account=account.id,
        region=account.region,
        zones=_or_unknown(lambda: tuple(each.name for each in account.zones() if each.is_open)),
        default_zones=_or_unknown(account.zones_with_default_subnet),
        offered=_or_unknown(lambda: account.offered(types)),
        vcpus=_or_unknown(lambda: account.vcpus(types)),
        quotas={each: _quota(account, each) for each in wanted},
        used=_or_unknown(lambda: _used(account.in_use(cluster.name))),
        images={each: _image(account, each) for each in image_parameters(cluster)},
        bucket=None if bucket is None else _or_unknown(lambda: account.bucket(bucket).value),
        bootstrap=_or_unknown(lambda: account.parameter(BOOTSTRAP_PARAMETER)),
    )


def refused(cluster: Cluster, asked: Account | None = None) -> list[BrokenRule]:
    """Changes that AWS cannot make to the deployed cluster. Raises UserError if AWS does not answer."""
    account = opened(asked)
    try:
        return list(fixed.refused(cluster, account.outputs))
    except aws.Unavailable as exc:
        raise UserError(f"AWS did not say what is deployed: {exc}", status=1) from exc


def opened(asked: Account | None = None) -> Account:
    """Account of the usual credentials. Raises UserError if there are none."""
    with explained("", region="", silence=SILENCE):
        account = asked or Account()
        if account.region:
            _ = account.id
    if not account.region:
        raise UserError("no AWS region is chosen; export AWS_REGION=eu-central-1, or another one")
    return account


def image_parameters(cluster: Cluster) -> tuple[str, ...]:
    """Public parameters with the images of groups without their own AMI, each once."""
    processors = dict.fromkeys(group.processor for group in cluster.groups)
    return tuple(image_parameter(each) for each in processors if not cluster.image.of(each))


def _or_unknown(ask: Callable[[], T]) -> T | Unknown:
    try:
        return ask()
    except aws.Unavailable as exc:
        return Unknown(" ".join(str(exc).split()))


def _quota(account: Account, quota: Quota) -> float | Unknown:
    return _or_unknown(lambda: account.quota(quota))


def _image(account: Account, parameter: str) -> bool | Unknown:
    return _or_unknown(lambda: account.has_parameter(parameter))


def _used(found: InUse) -> Mapping[Quota, int]:
    """Use of each quota outside the cluster."""
    used: Counter[Quota] = Counter()
    for instance_type, vcpus, spot in found.instances:
        if quota := quotas.of_type(instance_type, spot=spot):
            used[quota] += vcpus
    used[quotas.VPCS] = found.vpcs
    used[quotas.ADDRESSES] = found.addresses
    used[quotas.NAT_GATEWAYS] = max(found.nat_gateways.values(), default=0)
    return used
