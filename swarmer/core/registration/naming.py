"""What a service is called: its name and its id."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from swarmer.core.registration.metadata import Settings, sound
from swarmer.core.registration.ports import Port, mapping
from swarmer.core.service import LONGEST_LABEL

SHORT_ID: Final = 12
SWARM_SERVICE: Final = "com.docker.swarm.service.name"
SERVICE_LABELS: Final = ("com.docker.compose.service", SWARM_SERVICE)
"""Where an image has no name, what compose or Swarm call the service will do."""


def short_id(container: Mapping[str, Any]) -> str:
    """First 12 digits of the container's id."""
    return str(container.get("Id") or "")[:SHORT_ID]


def container_name(container: Mapping[str, Any]) -> str:
    """Without the slash that Docker puts before it."""
    return sound(str(container.get("Name") or "")).removeprefix("/") or short_id(container)


def default_name(container: Mapping[str, Any], repo_tags: Sequence[str]) -> str:
    """The last part of the image's name, without registry, tag and digest."""
    config = mapping(container.get("Config"))
    image = sound(str(config.get("Image") or ""))
    if image and not _is_id(image, str(container.get("Image") or "")):
        return image_name(image)
    if repo_tags:
        return image_name(sorted(repo_tags)[0])
    labels = mapping(config.get("Labels"))
    named = next((str(labels[key]) for key in SERVICE_LABELS if labels.get(key)), "")
    return sound(named) or image.removeprefix("sha256:")[:SHORT_ID] or container_name(container)


def has_nameless_image(container: Mapping[str, Any]) -> bool:
    """It was started from an image's id: the image itself knows whether it has a name."""
    image = str(mapping(container.get("Config")).get("Image") or "")
    return _is_id(image, str(container.get("Image") or ""))


def image_name(image: str) -> str:
    """`registry:5000/team/app:1.2@sha256:…` → `app`."""
    return image.partition("@")[0].rstrip("/").rpartition("/")[2].partition(":")[0] or image


def _is_id(image: str, full: str) -> bool:
    if image.startswith("sha256:"):
        return True
    return bool(re.fullmatch(r"[0-9a-f]{4,64}", image)) and full.removeprefix("sha256:").startswith(image)


def service_name(default: str, settings: Settings, port: Port, *, is_group: bool) -> str:
    """With `-<port>` where the container has several, unless SERVICE_<port>_NAME is set."""
    name = settings.get("name") or default
    return f"{name}-{port.number}" if is_group and "name" not in settings.of_port else name


def name_complaint(name: str) -> str:
    """Why Consul's DNS will not answer for it; empty where it will."""
    if re.fullmatch(r"[A-Za-z0-9_-]+", name) and len(name) <= LONGEST_LABEL:
        return ""
    why = (
        "longer than 63 characters" if len(name) > LONGEST_LABEL else "other characters than a DNS label has"
    )
    return f"the name {name[:LONGEST_LABEL]} has {why}: in the catalogue, but not in DNS"


def service_id(hostname: str, container: str, port: Port) -> str:
    """As the original makes it."""
    return f"{hostname}:{container}:{port.number}{':udp' if port.protocol == 'udp' else ''}"


def is_removable(text: str) -> bool:
    """Whether an id could be taken back: it stands in a path, which Consul's HTTP server cleans."""
    return "//" not in f"/{text}/" and not {".", ".."} & set(text.split("/")) and len(text) <= 1024
