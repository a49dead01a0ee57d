"""Programs of the node software, run on a node for the operator."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from swarmer.core.errors import UserError
from swarmer.core.health import Expected
from swarmer.provider import Provider

PYTHON: Final = "/opt/swarmer/bin/python"
"""Python of the node software on a node."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """End of a remote program."""

    status: int
    output: str
    errors: str

    @property
    def last_error(self) -> str:
        """Last line on standard error; the exit status if there is none."""
        return next(reversed(self.errors.strip().splitlines()), f"exit status {self.status}")


class RemoteFailure(UserError):
    """A program failed on a node."""

    def __init__(self, node: str, result: Result) -> None:
        super().__init__(f"{node}: {result.last_error}", status=1)
        self.result = result

    @property
    def is_unavailable(self) -> bool:
        """Whether this node could not do it, but another node may."""
        return self.result.status == os.EX_UNAVAILABLE


def run_module(provider: Provider, node: Expected, module: str, *arguments: str, timeout_s: float) -> str:
    """Standard output of a module of the node software. Raises RemoteFailure."""
    pieces: dict[str, list[bytes]] = {"out": [], "err": []}
    status = provider.run(
        node,
        (PYTHON, "-m", module, *arguments),
        timeout_s=timeout_s,
        write=lambda stream, piece: pieces[stream].append(piece),
    )
    output, errors = (b"".join(pieces[stream]).decode(errors="replace") for stream in ("out", "err"))
    if status:
        raise RemoteFailure(node.name, Result(status=status, output=output, errors=errors))
    return output
