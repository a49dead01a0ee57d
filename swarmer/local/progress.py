"""Output for the operator: steps with their seconds, live rows per node, tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console as Terminal
from rich.live import Live
from rich.table import Table

from swarmer.local.console import Console
from swarmer.local.node_containers import Node


@dataclass
class Display:
    """Progress on `terminal`; animated on a real terminal only."""

    terminal: Terminal = field(default_factory=lambda: Terminal(highlight=False, stderr=True))
    seconds: dict[str, float] = field(default_factory=dict)
    """Duration of each step in seconds, in order."""

    @contextmanager
    def step(self, key: str, text: str) -> Iterator[Callable[[str], None]]:
        """Show one step of a long work; yield a function that reports its progress."""
        began_s = time.monotonic()
        details, last = [text], ""
        with self.terminal.status(f"{text} …") as status:

            def detail(word: str) -> None:
                nonlocal last
                if self.terminal.is_terminal:
                    status.update(f"{text}: {word} …")
                elif word != last:
                    last = word
                    self.terminal.print(f"  {text}: {word} …", soft_wrap=True)

            try:
                yield lambda word: details.append(word) if word.startswith("=") else detail(word)
            except BaseException:
                self.terminal.print(f"[red]✗[/red] {text}")
                raise
        self.seconds[key] = time.monotonic() - began_s
        result = "".join(f" {word[1:]}" for word in details[1:])
        self.terminal.print(f"[green]✓[/green] {text}{result} [dim]({self.seconds[key]:.1f} s)[/dim]")

    @contextmanager
    def booting(self, nodes: Sequence[Node], consoles: dict[str, Console]) -> Iterator[Callable[[str], None]]:
        """Show a row per node that follows its console; yield a function for the line below the rows."""
        began_s, phases = time.monotonic(), dict[str, str]()
        note = ""
        live = Live(console=self.terminal, refresh_per_second=5, transient=True)

        def draw(word: str) -> None:
            nonlocal note
            if self.terminal.is_terminal:
                live.update(_rows(nodes, consoles, began_s, word))
                return
            lines = []
            for name, console in consoles.items():
                if phases.get(name) != console.phase:
                    phases[name] = console.phase
                    lines.append(f"{name}: {console.phase}")
            if word != note:
                note = word
                lines.append(word)
            for line in lines:
                # One line for each event, however long: without a terminal there is no width to keep.
                self.terminal.print(f"  {time.monotonic() - began_s:5.1f} s  {line}", soft_wrap=True)

        if not self.terminal.is_terminal:
            yield draw
            return
        with live:
            yield draw


def _rows(nodes: Sequence[Node], consoles: dict[str, Console], began_s: float, note: str) -> Table:
    table = Table.grid(padding=(0, 2))
    for node in nodes:
        console = consoles.get(node.name)
        phase = console.phase if console else "runs"
        symbol = "[green]✓[/green]" if console is None or console.is_ready else "[yellow]…[/yellow]"
        table.add_row(f"  {symbol} {node.name}", node.expected.zone, phase)
    table.add_row(f"  {time.monotonic() - began_s:.0f} s", "", note)
    return table
