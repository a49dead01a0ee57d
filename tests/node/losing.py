"""Calls that are carried out although their answer is an error, and calls that are not: once, or always."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from swarmer.adapters import consul, docker
from swarmer.adapters.consul import Consul
from swarmer.adapters.docker import Engine

AFTER: Final = "carried out, and answered with an error"
INSTEAD: Final = "not carried out"
ONCE: Final = 1
ALWAYS: Final = 1_000_000


@dataclass
class Loss:
    """One kind of call that goes wrong."""

    call: str
    """Pattern of `METHOD path` (Docker) or of the method's name (Consul)."""
    how: str
    times: int = ONCE
    text: str = "rpc error: code = Unknown desc = update out of sequence"
    seen: int = 0

    def hits(self, call: str) -> bool:
        if self.seen >= self.times or not re.search(self.call, call):
            return False
        self.seen += 1
        return True


class LosingEngine(Engine):
    """An engine that loses some answers. `before` runs ahead of each call, as another client might."""

    def __init__(self, url: str, *losses: Loss, before: Callable[[str], None] = lambda _: None) -> None:
        super().__init__(url, timeout_s=30)
        self.losses = losses
        self.before = before
        self.calls: list[str] = []

    def ask_engine(self, method: str, path: str, body: object = None) -> Any:
        call = f"{method} {path}"
        self.calls.append(call)
        self.before(call)
        loss = next((each for each in self.losses if each.hits(call)), None)
        if loss is None:
            return super().ask_engine(method, path, body)
        if loss.how == AFTER:
            super().ask_engine(method, path, body)
        raise docker.Unavailable(f"docker: {path}: {loss.text}")


LOSABLE: Final = ("create_session", "acquire", "release", "destroy_session", "put", "create", "renew_session")


class LosingConsul(Consul):
    """A real Consul that loses some answers."""

    def __init__(self, port: int, *losses: Loss) -> None:
        super().__init__("127.0.0.1", port, timeout_s=5)
        self.losses = losses
        for name in LOSABLE:
            setattr(self, name, self._losing(name, getattr(self, name)))

    def _losing(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def asked(*words: Any, **named: Any) -> Any:
            loss = next((each for each in self.losses if each.hits(name)), None)
            if loss is None:
                return call(*words, **named)
            if loss.how == AFTER:
                call(*words, **named)
            raise consul.Unavailable(loss.text)

        return asked
