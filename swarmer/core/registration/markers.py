"""Metadata by which the registrator recognises its own entries."""

from __future__ import annotations

from typing import Final

MARKER: Final = "swarmer-registrator"
"""Key of the host name whose registrator wrote an entry; a registrator removes only its own entries."""
ENGINE: Final = "swarmer-engine"
"""Key of the Docker engine's ID, so that an entry stays its own when the host's name changes."""
CONTAINER: Final = "swarmer-container"
"""Key of the container's ID, first 12 digits."""
