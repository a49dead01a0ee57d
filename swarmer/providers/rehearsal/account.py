"""Resources that an account must have before the first deploy: an existing VPC, a permissions boundary."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final

from swarmer.adapters import aws
from swarmer.adapters.operator import of_this_machine
from swarmer.core import account_rules, existing_vpc
from swarmer.core.errors import UserError
from swarmer.core.validation import InvalidValue
from swarmer.local.environment import Environment

PATH: Final = "/swarmer/networks"
TIMEOUT_S: Final = 20.0
"""Timeout for a request to AWS on this machine, in seconds."""
ALLOW_EVERYTHING: Final = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
)
"""Boundary without limits, for a rehearsal without an operator's document."""


def read_boundary(env: Environment, path: Path) -> str:
    """Document in the file, for the boundary of servers.yml. Raises UserError."""
    policy = env.cluster.permissions_boundary
    if policy is None:
        raise UserError(f"--boundary: {env.servers} names no permissions_boundary: name the policy there")
    if account_rules.is_of_aws(policy):
        raise UserError(f"--boundary: {policy} is AWS's own policy and has its document: take --boundary out")
    try:
        text = path.read_text()
        statements = json.loads(text)["Statement"]
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise UserError(f"{path} is no IAM policy ({exc!r}): name a JSON file with a Statement") from exc
    if not isinstance(statements, list | dict):
        raise UserError(f"{path} is no IAM policy: its Statement is neither a list nor a mapping")
    return text


def ensure(env: Environment, boundary: str | None) -> None:
    """Create the VPC and the boundary of servers.yml. Raises UserError.

    `boundary`: its document; None: its present document, or one without limits.
    """
    network = env.cluster.network
    if network.vpc:
        _ensure_vpc(env, network.vpc)
    policy = env.cluster.permissions_boundary
    if policy and not account_rules.is_of_aws(policy):
        try:
            of_this_machine(env.aws_url, env.region).ensure_policy(
                account_rules.policy_name(policy),
                boundary or ALLOW_EVERYTHING,
                replace=boundary is not None,
            )
        except aws.Unavailable as exc:
            raise UserError(f"permissions_boundary: AWS on this machine refuses {policy}: {exc}") from exc


def _ensure_vpc(env: Environment, vpc_id: str) -> None:
    """Create the VPC. Its subnets divide its addresses, because servers.yml lacks the real ranges."""
    network = env.cluster.network
    try:
        ranges = existing_vpc.rehearsed_subnets(network.cidr, network.zone_count)
        placed = zip(network.subnets, ranges, strict=False)
        subnets = {zone: (subnet, str(cidr)) for (zone, subnet), cidr in placed}
    except InvalidValue as exc:
        raise UserError(f"{env.servers}: network.cidr: {exc}") from exc
    wanted = {"region": env.region, "vpc_id": vpc_id, "cidr": network.cidr, "subnets": subnets}
    _post(env, wanted)


def _post(env: Environment, wanted: dict[str, Any]) -> None:
    request = urllib.request.Request(f"{env.aws_url}{PATH}", json.dumps(wanted).encode(), method="POST")
    try:
        urllib.request.urlopen(request, timeout=TIMEOUT_S).close()
    except urllib.error.HTTPError as exc:
        told = json.loads(exc.read()).get("error", exc)
        raise UserError(f"{env.servers}: network.vpc: AWS on this machine refuses it: {told}") from exc
    except OSError as exc:
        raise UserError(f"AWS on this machine does not answer: {exc}", status=1) from exc
