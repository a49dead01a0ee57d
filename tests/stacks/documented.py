"""AWS's documentation in pinned packages, with which a quotation is compared word for word.

The CDK carries CloudFormation's reference of properties, and botocore the reference of each API.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import botocore.session
from botocore.model import OperationModel

from swarmer.core.facts import Quote

ANCHOR: Final = re.compile(r"#(cfn-(?P<service>[a-z0-9]+)-\S+)$")
"""Place of a property in a page of CloudFormation's reference."""


API: Final = re.compile(
    r"docs\.aws\.amazon\.com/(?P<service>\w+)/latest/(API|api|APIReference)/API_(?P<operation>\w+)\.html$"
)
"""Page of an operation in the reference of an API."""
SERVICES: Final = {
    "AmazonS3": "s3",
    "AWSCloudFormation": "cloudformation",
    "AWSEC2": "ec2",
    "AWSSimpleQueueService": "sqs",
}
"""Folders of the documentation that are not called like the service."""


def is_comparable(quote: Quote) -> bool:
    """Whether a pinned package has the page."""
    return bool(ANCHOR.search(quote.page) or API.search(quote.page))


def is_documented(quote: Quote) -> bool:
    """Whether the page has the sentence, by a pinned package."""
    place, operation = ANCHOR.search(quote.page), API.search(quote.page)
    if operation:
        service = operation["service"]
        text = api_documentation(SERVICES.get(service, service.lower()), operation["operation"])
    else:
        text = documentation(place[1]) if place else ""
    return plain(quote.says) in plain(text)


@cache
def api_documentation(service: str, operation: str) -> str:
    """Documentation of an operation, and of what goes in and comes out."""
    model = botocore.session.get_session().get_service_model(service).operation_model(operation)
    return re.sub(r"<[^>]+>", "", " ".join(_texts(model)))


def _texts(model: OperationModel) -> Iterator[str]:
    yield model.documentation
    for shape in (model.input_shape, model.output_shape):
        for member in shape.members.values() if shape else ():
            yield member.documentation


def documentation(place: str) -> str:
    """Documentation of a property, with the address of its page; empty if the CDK has none."""
    found = ANCHOR.search(f"#{place}")
    text = _module(found["service"]) if found else ""
    end = re.search(rf":see: \S+#{re.escape(place)}\s", text)
    return text[text.rfind("'" * 3, 0, end.start()) : end.end()] if end else ""


@cache
def _module(service: str) -> str:
    """Source of the CDK's module of a service."""
    package = find_spec("aws_cdk")
    assert package and package.origin
    path = Path(package.origin).parent / f"aws_{service}" / "__init__.py"
    return path.read_text() if path.exists() else ""


def plain(text: str) -> str:
    """Words without markup: quotations leave out backquotes, asterisks and links."""
    text = re.sub(r"`([^`<]+?) <[^`>]+>`_+", r"\1", text)
    text = re.sub(r"[`*\\]", "", text)
    return re.sub(r" ([.,;)])", r"\1", " ".join(text.split()))
