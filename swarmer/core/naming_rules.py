"""Rules for names and addresses in servers.yml: cluster, group, domain, bucket, target of the alarms.

Each rule returns the value that it accepts and raises InvalidValue for any other.
"""

from __future__ import annotations

import re
from typing import Final

from swarmer.core.validation import InvalidValue, listed, shown, text

LONGEST_CLUSTER_NAME: Final = 24
"""Number of characters of a cluster's name.

`<name>-<purpose>` then fits names of buckets (63), functions and roles (64).
"""
LONGEST_GROUP_NAME: Final = 63 - len("-i-0123456789abcdef0")
"""Number of characters of a group's name. A node's name, `<group>-<instance id>`, is then one DNS label."""
LONGEST_LABEL: Final = 63
"""Number of characters of a DNS label (RFC 1035)."""
LONGEST_DOMAIN: Final = 253 - LONGEST_LABEL - len(".service.")
"""Number of characters of the domain. `<service>.service.<domain>` then fits a DNS name (253)."""

LOCAL_DOMAINS: Final = frozenset({"local", "localhost", "localdomain", "invalid", "arpa"})
"""Top labels that systemd-resolved answers by itself or by multicast (RFC 6761, RFC 6762)."""
OUTSIDE_NAMES: Final = (
    "amazonaws.com", "api.aws", "compute.internal", "ec2.internal", "docker.io", "docker.com", "quay.io",
    "ghcr.io", "ubuntu.com", "hashicorp.com", "github.com",
)  # fmt: skip
"""Outside names that nodes resolve. The domain must not contain them, because Consul answers for all of
it."""

TOPIC: Final = r"arn:aws(-[a-z]+)*:sns:[a-z]{2}(-[a-z]+)+-[0-9]:[0-9]{12}:[A-Za-z0-9_-]{1,256}"
"""Pattern of the ARN of a standard SNS topic; the name of a FIFO topic ends in `.fifo`."""
EMAIL: Final = r"[A-Za-z0-9._%+-]+@([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,}"
"""Pattern of an e-mail address without quotes and comments."""
LONGEST_EMAIL: Final = 254
"""Number of characters of an e-mail address."""

BUCKET_BEGINNINGS: Final = ("xn--", "sthree-", "amzn-s3-demo-")
"""Prefixes of bucket names that S3 reserves."""
BUCKET_ENDS: Final = ("-s3alias", "--ol-s3", "--x-s3", "--table-s3")
"""Suffixes of bucket names that S3 reserves."""


def cluster_name(value: object) -> str:
    """The name of a cluster: letters and digits. Raises InvalidValue."""
    return _label(value, longest=LONGEST_CLUSTER_NAME, hyphens=False)


def group_name(value: object) -> str:
    """The name of a group: letters, digits and single hyphens. Raises InvalidValue."""
    return _label(value, longest=LONGEST_GROUP_NAME)


def domain(value: object) -> str:
    """The domain for which Consul answers on every node, with all names below it. Raises InvalidValue."""
    whole = text(value)
    for label in whole.split("."):
        _domain_label(whole, label)
    if len(whole) > LONGEST_DOMAIN:
        raise InvalidValue(f"the domain has {len(whole)} characters", f"take at most {LONGEST_DOMAIN}")
    if whole.rpartition(".")[2] in LOCAL_DOMAINS:
        raise InvalidValue(
            f"{shown(whole)} is resolved by each machine itself", "take one like swarmer.internal"
        )
    outside = [known for known in OUTSIDE_NAMES if f".{known}".endswith(f".{whole}")]
    if outside or len(whole) == 2:
        hidden = listed(outside) if outside else "a country's names"
        raise InvalidValue(
            f"{shown(whole)} would hide {hidden} from the nodes", "take one like swarmer.internal"
        )
    return whole


def alarm_target(value: object) -> str | None:
    """The e-mail address or SNS topic (ARN) that alarms notify; None: no target. Raises InvalidValue.

    FIFO topics, whose names end in `.fifo`, are refused.
    """
    if value is None:
        return None
    target = text(value)
    if re.fullmatch(TOPIC, target) or (re.fullmatch(EMAIL, target) and len(target) <= LONGEST_EMAIL):
        return target
    advice = "write you@example.com, or arn:aws:sns:REGION:ACCOUNT:NAME of a standard topic"
    raise InvalidValue(f"{shown(target)} is neither an e-mail address nor the ARN of an SNS topic", advice)


def bucket(value: object) -> str | None:
    """The name of an S3 bucket; None: CloudFormation chooses one. Raises InvalidValue.

    Source: Amazon S3, general purpose bucket naming rules. Dots are refused, because they break TLS on
    virtual-hosted names.
    """
    if value is None:
        return None
    label = text(value)
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", label):
        advice = "take 3 to 63 lower-case letters, digits and hyphens, or leave the bucket to CloudFormation"
        raise InvalidValue(f"{shown(label)} is no valid bucket name", advice)
    for ours in (*filter(label.startswith, BUCKET_BEGINNINGS), *filter(label.endswith, BUCKET_ENDS)):
        raise InvalidValue(f'"{ours}" in {shown(label)} is reserved by AWS', "take another name")
    return label


def _label(value: object, *, longest: int, hyphens: bool = True) -> str:
    """One DNS label that also AWS, Consul and Docker accept. Raises InvalidValue."""
    label = text(value)
    if not re.fullmatch(r"[a-z](-?[a-z0-9])*" if hyphens else r"[a-z][a-z0-9]*", label):
        raise InvalidValue(f"{shown(label)} is no valid name", _label_advice(label, longest, hyphens))
    if len(label) > longest:
        raise InvalidValue(f"{shown(label)} has {len(label)} characters", f"take at most {longest}")
    return label


def _label_advice(label: str, longest: int, hyphens: bool) -> str:
    allowed = "digits and single hyphens between" if hyphens else "digits, no hyphens"
    better = re.sub(r"[^a-z0-9]+", "-" if hyphens else "", label.lower()).lstrip("0123456789-")
    example = f", for example {better[:longest].rstrip('-')}" if better else ""
    return f"take lower-case letters, {allowed}, a letter first{example}"


def _domain_label(whole: str, label: str) -> None:
    if not label:
        advice = "write one dot between labels, none at the ends"
        raise InvalidValue(f"{shown(whole)} has a dot too many", advice)
    _label(label, longest=LONGEST_LABEL)
