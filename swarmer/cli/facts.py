"""`swarmer facts`: the facts about AWS that the project relies on, with their proofs."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Final

import click
from rich.table import Table
from rich.text import Text

from swarmer.cli.exit_statuses import epilog
from swarmer.cli.status import console
from swarmer.core import facts as core
from swarmer.core import software
from swarmer.core.errors import UserError
from swarmer.core.facts import Fact, Proof, Quote, Rehearsed

SOURCE: Final = software.ROOT / "docs/reference/facts.yml"
PAGES: Final = (software.ROOT / "docs/reference/facts.md", software.ROOT / "docs/guides/aws.md")
"""Pages with tables of facts."""
COLOURS: Final = {core.TEST: "green", core.QUOTE: "cyan", core.UNREHEARSED: "yellow"}


@click.command(epilog=epilog("facts"))
@click.argument("words", nargs=-1)
@click.option("--kind", type=click.Choice([*core.SECTIONS.values()]), help="Show only facts of this kind.")
@click.option("--proof", type=click.Choice([*COLOURS]), help="Show only facts with a proof of this kind.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs: a list of facts.")
@click.option(
    "-w",
    "--write",
    is_flag=True,
    help="Write the tables of docs/reference/facts.md and docs/guides/aws.md instead.",
)
def facts(words: tuple[str, ...], kind: str | None, proof: str | None, as_json: bool, write: bool) -> None:
    """Show the facts about AWS that Swarmer relies on, with their proofs.

    With WORDS, only facts that contain all of them.
    """
    known = load()
    if write:
        for page in PAGES:
            _fill(page, known)
        return
    shown = [fact for fact in known if _is_wanted(fact, words, kind, proof)]
    if as_json:
        click.echo(json.dumps([fact.to_json() for fact in shown], indent=2, ensure_ascii=False))
        return
    if not shown:
        raise UserError("no fact is like that; `swarmer facts` shows all of them", status=1)
    console().print(_table(shown))
    click.echo(f"  {_sum(shown)}")


def load(path: Path = SOURCE) -> list[Fact]:
    """Facts of the file. Raises UserError for a line without a fact."""
    try:
        return core.parse(path.read_text())
    except core.Malformed as exc:
        raise UserError(f"{path}: {exc}") from exc


def _fill(page: Path, known: list[Fact]) -> None:
    page.write_text(core.fill(page.read_text(), known))


def _is_wanted(fact: Fact, words: tuple[str, ...], kind: str | None, proof: str | None) -> bool:
    text = f"{fact.row} {_said(fact.proof)}".lower()
    is_kind = kind in (None, fact.row.kind) and proof in (None, fact.proof.kind)
    return is_kind and all(word.lower() in text for word in words)


def _table(shown: list[Fact]) -> Table:
    table = Table(box=None, padding=(0, 2), header_style="bold")
    for heading in ("OF", "FACT", "PROOF", "HOW WE KNOW IT"):
        table.add_column(heading, overflow="fold")
    for (subject, proof), names in core.grouped(shown).items():
        kind = Text(proof.kind, COLOURS[proof.kind])
        table.add_row(Text(subject), Text("\n".join(names)), kind, Text(_said(proof)))
    return table


def _said(proof: Proof) -> str:
    match proof:
        case Rehearsed():
            return f"{proof.file}::{proof.test}"
        case Quote():
            return f"“{proof.says}” {proof.page}, {proof.read}"
    return proof.check


def _sum(shown: list[Fact]) -> str:
    number = Counter(fact.proof.kind for fact in shown)
    parts = ", ".join(f"{number[kind]} by {kind}" for kind in (core.TEST, core.QUOTE))
    noun = "fact" if len(shown) == 1 else "facts"
    return f"{len(shown)} {noun}: {parts}, {number[core.UNREHEARSED]} unrehearsed"


COMMANDS = (facts,)
