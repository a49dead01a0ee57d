"""Names of EC2's instance states. The module imports no moto, so that the command can import it."""

from __future__ import annotations

from typing import Final

TERMINATED: Final = "terminated"
"""State of an instance that is gone for good."""
LIVING: Final = frozenset({"pending", "running"})
"""States of an instance that starts or runs."""
