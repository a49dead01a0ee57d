"""`swarmer reference`: the tables of docs/reference/servers.md, generated from the model."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from swarmer.core import reference as pages
from swarmer.core import software
from swarmer.core.errors import UserError

PAGE: Final = software.ROOT / "docs/reference/servers.md"


@click.command()
@click.argument("page", type=Path, default=PAGE)
@click.option("-w", "--write", is_flag=True, help="Into PAGE, instead of standard output.")
def reference(page: Path, write: bool) -> None:
    """Write the reference of servers.yml: the tables of PAGE [docs/reference/servers.md] from the model."""
    try:
        text = pages.fill(page.read_text())
        if write:
            page.write_text(text)
    except OSError as exc:
        raise UserError(f"{page}: {exc.strerror or exc}") from exc
    except UnicodeDecodeError as exc:
        raise UserError(f"{page}: not UTF-8; name a page of text, like docs/reference/servers.md") from exc
    except KeyError as exc:
        raise UserError(
            f"{page}: no table is called {exc.args[0]}; take {', '.join(pages.SECTIONS)}"
        ) from exc
    if not write:
        click.echo(text, nl=False)


COMMANDS = (reference,)
