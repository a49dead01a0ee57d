"""The error that the command shows as one line."""

from __future__ import annotations


class UserError(Exception):
    """Reason why a command cannot do its work, in words for the operator. `status`: the exit status."""

    def __init__(self, text: str, *, status: int = 2) -> None:
        super().__init__(text)
        self.status = status


class NodeUnreachable(UserError):
    """Reason why a node does not answer. Another node may answer."""

    def __init__(self, text: str) -> None:
        super().__init__(text, status=1)


class NotDeployed(UserError):
    """No cluster of that name is deployed at a place."""

    def __init__(self, text: str) -> None:
        super().__init__(text, status=1)
