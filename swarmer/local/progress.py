"""Output for the operator: steps with their seconds, live rows per node, tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console as Terminal
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from swarmer.local.console import Console
from swarmer.local.node_containers import Node


@dataclass(frozen=True, kw_only=True)
class Row:
    """Part of a work, for the operator."""

    name: str
    phase: str
    """Words for its current phase."""
    place: str = ""
    is_done: bool = False


Draw = Callable[[Sequence[Row], str], None]
"""Function that shows rows of progress, and a note below them."""


@dataclass
class Display:
    """Progress on `terminal`, animated only on a real terminal."""

    terminal: Terminal = field(default_factory=lambda: Terminal(highlight=False, stderr=True))
    seconds: dict[str, float] = field(default_factory=dict)
    """Duration of each step in seconds, in order."""

    @contextmanager
    def step(self, key: str, text: str) -> Iterator[Callable[[str], None]]:
        """Show one step of a long work; yield a function that reports its progress."""
        details, last = [text], ""
        with self._outcome(key, details), self.terminal.status(f"{text} …") as status:

            def detail(word: str) -> None:
                nonlocal last
                if self.terminal.is_terminal:
                    status.update(f"{text}: {word} …")
                elif word != last:
                    last = word
                    self.terminal.print(f"  {text}: {word} …", soft_wrap=True)

            yield lambda word: details.append(word) if word.startswith("=") else detail(word)

    @contextmanager
    def parts(self, key: str, text: str) -> Iterator[Draw]:
        """Show a step with parallel parts, like `rows`."""
        with self._outcome(key, [text]), self.rows() as draw:
            yield draw

    @contextmanager
    def _outcome(self, key: str, details: Sequence[str]) -> Iterator[None]:
        """Print whether the block succeeded. `details`: its text, then each result after an `=`."""
        began_s = time.monotonic()
        try:
            yield
        except BaseException:
            self.terminal.print(f"[red]✗[/red] {details[0]}")
            raise
        self.seconds[key] = time.monotonic() - began_s
        result = "".join(f" {word[1:]}" for word in details[1:])
        self.terminal.print(f"[green]✓[/green] {details[0]}{result} [dim]({self.seconds[key]:.1f} s)[/dim]")

    @contextmanager
    def booting(self, nodes: Sequence[Node], consoles: dict[str, Console]) -> Iterator[Callable[[str], None]]:
        """Show a row per node that follows its console; yield a function for the line below the rows."""
        with self.rows() as draw:
            yield lambda note: draw(_booting_rows(nodes, consoles), note)

    @contextmanager
    def rows(self) -> Iterator[Draw]:
        """Show parallel parts of a work; yield a function for the rows and the line below them."""
        if self.terminal.is_terminal:
            began_s = time.monotonic()
            with Live(console=self.terminal, refresh_per_second=5, transient=True) as live:
                yield lambda rows, note: live.update(_table(rows, began_s, note))
        else:
            yield _Log(self.terminal).draw


class _Log:
    """Rows on an output that is no terminal: one line for each change."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal, self._began_s = terminal, time.monotonic()
        self._phases: dict[str, str] = {}
        self._note = ""

    def draw(self, rows: Sequence[Row], note: str) -> None:
        """Print the changes since the last call."""
        lines = [f"{row.name}: {row.phase}" for row in rows if self._phases.get(row.name) != row.phase]
        self._phases |= {row.name: row.phase for row in rows}
        if note != self._note:
            self._note = note
            lines.append(note)
        for line in filter(None, lines):
            # Each event is one line of any length, because without a terminal there is no width to keep.
            self._terminal.print(
                f"  {time.monotonic() - self._began_s:5.1f} s  {line}", soft_wrap=True, markup=False
            )


def _booting_rows(nodes: Sequence[Node], consoles: dict[str, Console]) -> list[Row]:
    zones = {node.name: node.expected.zone for node in nodes}
    return [
        Row(
            name=name,
            place=zones.get(name, ""),
            phase=consoles[name].phase if name in consoles else "runs",
            is_done=name not in consoles or consoles[name].is_ready,
        )
        for name in dict.fromkeys([*zones, *consoles])
    ]


def _table(rows: Sequence[Row], began_s: float, note: str) -> Table:
    table = Table.grid(padding=(0, 2))
    for row in rows:
        symbol = "[green]✓[/green]" if row.is_done else "[yellow]…[/yellow]"
        table.add_row(f"  {symbol} {row.name}", row.place, escape(row.phase))
    table.add_row(f"  {time.monotonic() - began_s:.0f} s", "", escape(note))
    return table
