"""Metadata by which the registrator recognises its own entries."""

from __future__ import annotations

from typing import Final

MARKER: Final = "swarmer-registrator"
"""Key of the host name of the registrator that wrote an entry; a registrator removes only its own entries."""
ENGINE: Final = "swarmer-engine"
"""Key of the Docker engine's ID, so that a registrator recognises its entry after a change of the host's
name."""
CONTAINER: Final = "swarmer-container"
"""Key of the container's ID, first 12 digits."""
