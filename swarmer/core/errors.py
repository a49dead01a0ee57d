"""The error that the command shows as one line."""

from __future__ import annotations


class UserError(Exception):
    """Whatever keeps a command from its work, in words for the operator. `status`: the exit status."""

    def __init__(self, text: str, *, status: int = 2) -> None:
        super().__init__(text)
        self.status = status
