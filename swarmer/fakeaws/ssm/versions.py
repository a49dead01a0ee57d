"""Updates of documents in templates.

A changed content becomes the default version if the template has `NewVersion`. Otherwise CloudFormation needs
another name for it. Bare moto makes the document again under the same name.
https://github.com/aws-cloudformation/aws-cloudformation-resource-providers-ssm (UpdateHandler.java)
"""

from __future__ import annotations

import json
from typing import Any

from moto.cloudformation.exceptions import ValidationError
from moto.ssm import ssm_backends
from moto.ssm.exceptions import InvalidDocumentContent
from moto.ssm.models import Document

from swarmer.fakeaws.base.template_resource import Definition, Update, wrap_update
from swarmer.fakeaws.ssm import documents


def extend() -> None:
    wrap_update(Document, _update)


def _update(update: Update, original: Any, definition: Definition) -> Any:
    """Give the document its new content and tags. Raises ValidationError if that needs another document."""
    properties, name = definition.properties, original.name
    backend = ssm_backends[definition.account][definition.region]
    versions = backend._get_documents(name)
    content = properties.get("Content")
    text = content if isinstance(content, str) else json.dumps(content)
    if text != versions.get_default_version().content:
        if properties.get("UpdateMethod") != "NewVersion":
            return _replace(update, original, definition)
        _add_version(versions, original, text, properties)
    former = [tag["Key"] for tag in backend._get_documents_tags(name)]
    backend.remove_tags_from_resource("Document", name, former)
    tags = {tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])}
    backend.add_tags_to_resource("Document", name, tags)
    return versions.get_default_version()


def _replace(update: Update, original: Any, definition: Definition) -> Any:
    if definition.properties.get("Name") == original.name:
        raise ValidationError(
            message="CloudFormation cannot update a stack when a custom-named resource requires replacing. "
            f"Rename {original.name} and update the stack again."
        )
    return update(original, definition)


def _add_version(versions: Any, original: Any, text: str, properties: dict[str, Any]) -> None:
    """Make the content the default version. Raises InvalidDocumentContent."""
    made = Document(
        account_id=original.owner,
        name=original.name,
        version_name=properties.get("VersionName"),
        content=text,
        document_type=original.document_type,
        document_format=properties.get("DocumentFormat", "JSON"),
        requires=original.requires,
        attachments=original.attachments,
        target_type=properties.get("TargetType"),
        document_version=str(int(versions.latest_version) + 1),
    )
    if made.document_type == "Command" and (problem := documents.problem(made.content_json)):
        raise InvalidDocumentContent(problem)
    versions.add_new_version(made)
    versions.update_default_version(made.document_version)
