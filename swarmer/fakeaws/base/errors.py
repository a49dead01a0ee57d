"""The exceptions of this package, and how an exception of moto's reads to a person."""

from __future__ import annotations


class ListenError(Exception):
    """An address cannot be listened at; the text says which and what to do."""


class ResourceFailed(Exception):
    """A resource of a template could not be made or changed; `__cause__` is moto's exception."""

    def __init__(self, logical_id: str, resource_type: str, cause: Exception) -> None:
        super().__init__(reason(cause))
        self.logical_id = logical_id
        self.resource_type = resource_type


def reason(exc: BaseException) -> str:
    """One line. moto's own errors say what AWS says; of the rest the class is part of the message."""
    if isinstance(exc, ResourceFailed):
        return str(exc)
    message = getattr(exc, "message", None)
    if isinstance(message, str) and message:
        return " ".join(message.split())
    return " ".join(f"{type(exc).__name__}: {exc}".split())
