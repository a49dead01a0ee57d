"""What the registrator writes on its entries, to know them again."""

from __future__ import annotations

from typing import Final

MARKER: Final = "swarmer-registrator"
"""Key of the metadata that says which node's registrator wrote an entry: it removes only its own."""
ENGINE: Final = "swarmer-engine"
"""The Docker engine's own id: an entry stays ours when the host's name changes."""
CONTAINER: Final = "swarmer-container"
"""The container's id, its first 12 digits."""
