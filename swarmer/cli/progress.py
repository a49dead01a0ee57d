"""Progress of slow work on standard error, animated only on a terminal."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console

PROGRESS_DELAY_S: Final = 1.5
"""Delay before the first progress line, in seconds: most work ends earlier."""


@contextmanager
def working(text: str) -> Iterator[None]:
    """Show the running work after PROGRESS_DELAY_S; on a terminal with its seconds."""
    console = Console(stderr=True, highlight=False)
    over = threading.Event()
    thread = threading.Thread(target=_show, args=(console, text, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _show(console: Console, text: str, over: threading.Event) -> None:
    began_s = time.monotonic()
    if over.wait(PROGRESS_DELAY_S):
        return
    if not console.is_terminal:
        console.print(f"{text} …", soft_wrap=True)
        return
    with console.status("") as status:
        while not over.wait(0.2):
            status.update(f"{text} … {time.monotonic() - began_s:.0f} s")
