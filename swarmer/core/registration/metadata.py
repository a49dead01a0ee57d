"""Settings SERVICE_… of a container's environment and labels, for all its ports and for one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from swarmer.core.registration.markers import CONTAINER, ENGINE, MARKER
from swarmer.core.state import Container
from swarmer.core.validation import listed

PREFIX: Final = "SERVICE_"
"""Prefix of every setting."""
NO_ATTRIBUTES: Final = frozenset(("name", "id", "tags", "ignore", "network"))
"""Settings that control the declaration; like check_…, they do not become metadata."""

MOST_PAIRS: Final = 64
"""Maximum number of metadata pairs of a service."""
LONGEST_KEY: Final = 128
"""Maximum length of a metadata key in characters."""
LONGEST_VALUE: Final = 512
"""Maximum length of a metadata value in bytes. Consul refuses a whole service because of one additional or
longer pair. Source: structs.ValidateMetadata."""
RESERVED: Final = frozenset((MARKER, ENGINE, CONTAINER))
"""Keys that containers cannot set."""


@dataclass(frozen=True)
class Settings:
    """Settings of one port: its own keys take precedence over general keys."""

    values: Mapping[str, str]
    """Values by key, in lower case without SERVICE_; an empty value hides the general one."""
    of_port: frozenset[str] = frozenset()
    """Keys that came from SERVICE_<port>_…"""

    def get(self, key: str) -> str:
        """Return the value of a key; empty if it is unset or set to an empty text."""
        return self.values.get(key, "")


@dataclass(frozen=True)
class Metadata:
    """Settings of one container."""

    general: dict[str, str] = field(default_factory=dict)
    ports: dict[str, dict[str, str]] = field(default_factory=dict)
    """Settings by container port, as text."""

    def of(self, port: str) -> Settings:
        """Return the settings of a port; 53/tcp and 53/udp share them."""
        own = self.ports.get(port, {})
        return Settings({**self.general, **own}, frozenset(own))


def gather(container: Container, complain: list[str]) -> Metadata:
    """Gather the settings of a container; a label takes precedence over the environment."""
    found = Metadata()
    if container.not_text:
        complain.append(f"{listed(container.not_text)}: not text")
    for key, value in _pairs(container):
        if not key.startswith(PREFIX):
            continue
        name = key[len(PREFIX) :].lower()
        port, mark, rest = name.partition("_")
        if mark and re.fullmatch(r"[+-]?[0-9]+", port):
            found.ports.setdefault(port, {})[rest] = value
        else:
            found.general[name] = value
    return found


def _pairs(container: Container) -> Iterator[tuple[str, str]]:
    # The original joins labels too, and splits them again at the first `=`, although that may be part of the
    # key.
    for entry in (*container.env, *(f"{key}={value}" for key, value in container.labels.items())):
        if "=" in entry and entry.startswith(PREFIX):
            key, _, value = sound(entry).partition("=")
            yield key, value


def sound(text: str) -> str:
    """Return `text` after encoding in UTF-8 and decoding. Otherwise a character without an encoding would
    count as a change for ever."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def attributes(settings: Settings, own: Mapping[str, str], complain: list[str]) -> dict[str, str]:
    """Return Consul's metadata: `own`, and every attribute that Consul takes. `complain` gets a line about
    each other one."""
    kept = dict(own)
    dropped: dict[str, list[str]] = {}
    for key, value in settings.values.items():
        if key in NO_ATTRIBUTES or key.startswith("check_"):
            continue
        if reason := _refusal(key, value, len(kept)):
            dropped.setdefault(reason, []).append(f"SERVICE_{key.upper()}")
        elif key not in own:
            kept[key] = value
    complain += [f"{listed([key[:40] for key in keys])}: {reason}" for reason, keys in dropped.items()]
    return kept


def _refusal(key: str, value: str, pairs: int) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", key):
        return "no key of Consul's metadata, which has letters, digits, _ and -"
    if len(key) > LONGEST_KEY:
        return f"a key of Consul's metadata has at most {LONGEST_KEY} characters"
    if key.startswith("consul-") or key in RESERVED:
        return "reserved"
    if len(value.encode()) > LONGEST_VALUE:
        return f"a value of Consul's metadata has at most {LONGEST_VALUE} bytes"
    return f"Consul's metadata has at most {MOST_PAIRS} pairs" if pairs >= MOST_PAIRS else ""


def split_tags(text: str) -> list[str]:
    r"""Split at commas; `\,` is a comma. Empty pieces are dropped; spaces stay."""
    return [piece.replace(r"\,", ",") for piece in re.split(r"(?<!\\),", text) if piece]
