"""Permissions for a request to S3.

Source: Service Authorization Reference, S3, and the S3 User Guide, "Required permissions for Amazon S3 API
operations".
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import unquote

ACTIONS: Final = {"HeadBucket": "ListBucket"}
"""Names of permissions that differ from moto's name of the operation."""
DELETED_KEY: Final = re.compile(rb"<Key>(.*?)</Key>", re.DOTALL)


def permissions(
    operation: str, bucket: str | None, key: str | None, headers: Mapping[str, str], body: bytes
) -> Iterator[tuple[str, str]]:
    """Action and ARN of each permission that the request needs.

    `body`: body of a request that deletes many objects, otherwise empty.
    """
    name = f"s3:{ACTIONS.get(operation, operation)}"
    deleted = [html.unescape(found.decode()) for found in DELETED_KEY.findall(body)]
    for each in deleted or (key,):
        yield name, _arn(bucket, each)
    if name == "s3:PutObject":
        if "x-amz-acl" in headers:
            yield "s3:PutObjectAcl", _arn(bucket, key)
        if source := headers.get("x-amz-copy-source"):
            yield "s3:GetObject", f"arn:aws:s3:::{unquote(source).lstrip('/').partition('?')[0]}"


def _arn(bucket: str | None, key: str | None) -> str:
    if bucket is None:
        return "*"
    return f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}"
