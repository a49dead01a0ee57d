"""The six descriptions, synthesised as in tests/stacks."""

from __future__ import annotations

from tests.stacks.conftest import six

__all__ = ["six"]
