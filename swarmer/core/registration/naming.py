"""Names and IDs of services."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from swarmer.core.registration.metadata import Settings, sound
from swarmer.core.registration.ports import Port
from swarmer.core.service import LONGEST_LABEL
from swarmer.core.state import Container

SHORT_ID: Final = 12
"""Length of a short container ID."""
SWARM_SERVICE: Final = "com.docker.swarm.service.name"
"""Label with the name of a Swarm service."""
SERVICE_LABELS: Final = ("com.docker.compose.service", SWARM_SERVICE)
"""Labels with the service's name in compose or Swarm, used if an image has no name."""


def short_id(container: Container) -> str:
    """Return the first 12 digits of the container's ID."""
    return container.id[:SHORT_ID]


def container_name(container: Container) -> str:
    """Return the container's name; its short ID if it has none."""
    return sound(container.name) or short_id(container)


def default_name(container: Container, repo_tags: Sequence[str]) -> str:
    """Return the last part of the image's name, without registry, tag and digest."""
    image = sound(container.image)
    if image and not _is_id(image, container.image_id):
        return image_name(image)
    if repo_tags:
        return image_name(sorted(repo_tags)[0])
    named = next((container.labels[key] for key in SERVICE_LABELS if container.labels.get(key)), "")
    return sound(named) or image.removeprefix("sha256:")[:SHORT_ID] or container_name(container)


def has_nameless_image(container: Container) -> bool:
    """Whether the container was started from an image's ID; then the image itself has the name, if any."""
    return _is_id(container.image, container.image_id)


def image_name(image: str) -> str:
    """Return the name of an image: `registry:5000/team/app:1.2@sha256:…` → `app`."""
    return image.partition("@")[0].rstrip("/").rpartition("/")[2].partition(":")[0] or image


def _is_id(image: str, full: str) -> bool:
    if image.startswith("sha256:"):
        return True
    return bool(re.fullmatch(r"[0-9a-f]{4,64}", image)) and full.removeprefix("sha256:").startswith(image)


def service_name(default: str, settings: Settings, port: Port, *, is_group: bool) -> str:
    """Return the service's name, with `-<port>` if the container has several ports and SERVICE_<port>_NAME is
    unset."""
    name = settings.get("name") or default
    return f"{name}-{port.number}" if is_group and "name" not in settings.of_port else name


def name_complaint(name: str) -> str:
    """Return the reason why Consul's DNS will not answer for the name; empty if it will."""
    if re.fullmatch(r"[A-Za-z0-9_-]+", name) and len(name) <= LONGEST_LABEL:
        return ""
    why = (
        "longer than 63 characters" if len(name) > LONGEST_LABEL else "other characters than a DNS label has"
    )
    return f"the name {name[:LONGEST_LABEL]} has {why}: in the catalogue, but not in DNS"


def service_id(hostname: str, container: str, port: Port) -> str:
    """Return the service's ID in the original's format."""
    return f"{hostname}:{container}:{port.number}{':udp' if port.protocol == 'udp' else ''}"


def is_removable(text: str) -> bool:
    """Whether Consul could remove the ID: it is part of a path, and Consul's HTTP server cleans paths."""
    return "//" not in f"/{text}/" and not {".", ".."} & set(text.split("/")) and len(text) <= 1024
