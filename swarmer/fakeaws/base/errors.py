"""Exceptions of the simulated AWS, and readable messages for exceptions of moto."""

from __future__ import annotations


class ListenError(Exception):
    """Failure to listen at an address. The text has the address and the remedy."""


class ResourceFailed(Exception):
    """Failure to create or change a resource of a template; `__cause__` is moto's exception."""

    def __init__(self, logical_id: str, resource_type: str, cause: Exception) -> None:
        super().__init__(reason(cause))
        self.logical_id = logical_id
        self.resource_type = resource_type


def reason(exc: BaseException) -> str:
    """The message of an exception on one line.

    Errors of moto carry AWS's text. Other messages start with the name of their class.
    """
    if isinstance(exc, ResourceFailed):
        return str(exc)
    message = getattr(exc, "message", None)
    if isinstance(message, str) and message:
        return " ".join(message.split())
    return " ".join(f"{type(exc).__name__}: {exc}".split())
