"""Rules of AWS for an account's demands: tags on every resource, and a permissions boundary."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final

from swarmer.core.validation import InvalidValue, listed, shown, text

Pairs = tuple[tuple[str, str], ...]
"""Keys and values of a mapping, in its order."""

MOST_TAGS: Final = 40
"""Largest number of tags. AWS takes 50 per resource; ten are kept for Swarmer, the CDK and later releases."""
LONGEST_TAG_KEY: Final = 127
"""Largest number of characters of a tag's key (EC2 API Reference, Tag); other services take 128."""
LONGEST_TAG_VALUE: Final = 256
"""Largest number of characters of a tag's value. CloudFormation takes no empty value for a stack."""
TAG_CHARACTERS: Final = " _.:/=+-@"
"""Characters of tags, beside letters and digits, that every service of the stacks takes."""
AWS_PREFIX: Final = "aws:"
"""Prefix that belongs to AWS, in any case, in keys and in values (CloudFormation, "Resource tags")."""
OWN_PREFIX: Final = "swarmer:"
"""Prefix of the tags by which nodes, functions and permissions recognize a cluster."""
OWN_KEY: Final = "Name"
"""Key with a different value on each resource."""

POLICY_NAME: Final = re.compile(r"[A-Za-z0-9_+=,.@-]{1,128}")
"""Name of an IAM policy."""
POLICY_PATH: Final = re.compile(r"([A-Za-z0-9_+=,.@-]+/)*", re.ASCII)
"""Path of an IAM policy, without the slash at its front."""
POLICY_ARN: Final = re.compile(r"arn:aws(-[a-z]+)*:iam::([0-9]{12}|aws):policy/(?P<name>[^:]+)")
"""ARN of an IAM policy of an account, or of AWS."""


def tag(key: str, value: object) -> None:
    """Check one tag. Raises InvalidValue."""
    _tag_key(key)
    _tag_text(text(value), "value", LONGEST_TAG_VALUE)
    if not value:
        raise InvalidValue("the value is empty", "write one, because CloudFormation takes no empty value")


def tags(value: object) -> Pairs:
    """The value, if it is a mapping of tags. Raises InvalidValue."""
    found = pairs(value, "write keys and values below it")
    for key, each in found:
        tag(key, each)
    if len(found) > MOST_TAGS:
        raise InvalidValue(f"{len(found)} tags are too many", f"take {MOST_TAGS} at most; AWS takes 50")
    if twice := _same_ignoring_case(key for key, _ in found):
        raise InvalidValue(f"{listed(twice)} differ only in case, which IAM ignores", "keep one of them")
    return found


def pairs(value: object, advice: str) -> Pairs:
    """The value as keys and values, if it is a mapping or a dumped one. Raises InvalidValue."""
    if isinstance(value, tuple):  # a model that was dumped
        return value
    if not isinstance(value, Mapping):
        raise InvalidValue(f"{shown(value)} is not a mapping", advice)
    return tuple(value.items())


def permissions_boundary(value: object) -> str | None:
    """The value, if it is the name or the ARN of an IAM policy, or None. Raises InvalidValue."""
    if value is None:
        return None
    given = text(value)
    if given.startswith("arn:") and not POLICY_ARN.fullmatch(given):
        raise InvalidValue(
            f"{shown(given)} is no ARN of a policy", "write arn:aws:iam::ACCOUNT:policy/NAME, or only NAME"
        )
    path, slash, name = policy_name(given).rpartition("/")
    if not POLICY_NAME.fullmatch(name) or not POLICY_PATH.fullmatch(path + slash):
        advice = "take letters, digits and _+=,.@- (at most 128), with the path before it if there is one"
        raise InvalidValue(f"{shown(given)} is no name of a policy", advice)
    return given


def policy_name(policy: str) -> str:
    """Path and name of a policy from its name or ARN: `team/limits`."""
    found = POLICY_ARN.fullmatch(policy)
    return found["name"] if found else policy


def is_of_aws(policy: str) -> bool:
    """Whether the policy is one of AWS's own; every account has those."""
    return ":iam::aws:policy/" in policy


def _tag_key(key: str) -> None:
    lower = key.lower()
    if lower.startswith(AWS_PREFIX):
        raise InvalidValue(f"{AWS_PREFIX} belongs to AWS", "take another prefix")
    if lower.startswith(OWN_PREFIX):
        raise InvalidValue(f"{OWN_PREFIX} is the prefix of Swarmer's own tags", "take another prefix")
    if key == OWN_KEY:
        raise InvalidValue("each resource has a Name of its own", "take another key")
    if not key:
        raise InvalidValue("the key is empty", "write one")
    _tag_text(key, "key", LONGEST_TAG_KEY)


def _tag_text(value: str, what: str, longest: int) -> None:
    if len(value) > longest:
        raise InvalidValue(f"the {what} has {len(value)} characters", f"take {longest} at most")
    if wrong := sorted({each for each in value if not _is_taken(each)}):
        advice = f"take letters, digits, spaces and {TAG_CHARACTERS.strip()}"
        raise InvalidValue(f"the {what} holds {listed([shown(each) for each in wrong])}", advice)
    if value.lower().startswith(AWS_PREFIX):
        raise InvalidValue(
            f"{AWS_PREFIX} belongs to AWS, at the beginning of values too", "take another value"
        )


def _is_taken(character: str) -> bool:
    return character in TAG_CHARACTERS or unicodedata.category(character)[0] in "LN"


def _same_ignoring_case(keys: Iterable[str]) -> list[str]:
    """First keys that are equal for IAM; [] if there are none."""
    by_lower: dict[str, list[str]] = {}
    for key in keys:
        by_lower.setdefault(key.lower(), []).append(key)
    return next((same for same in by_lower.values() if len(same) > 1), [])
