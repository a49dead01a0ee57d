"""Words about what takes longer than a moment: on standard error, moving only on a terminal."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console

PATIENCE_S: Final = 1.5
"""So long nothing is said: most work is over by then."""


@contextmanager
def working(text: str) -> Iterator[None]:
    """Says what is at work, once it has taken PATIENCE_S; with its seconds where it is a terminal."""
    console = Console(stderr=True, highlight=False)
    over = threading.Event()
    thread = threading.Thread(target=_say, args=(console, text, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _say(console: Console, text: str, over: threading.Event) -> None:
    began_s = time.monotonic()
    if over.wait(PATIENCE_S):
        return
    if not console.is_terminal:
        console.print(f"{text} …", soft_wrap=True)
        return
    with console.status("") as status:
        while not over.wait(0.2):
            status.update(f"{text} … {time.monotonic() - began_s:.0f} s")
