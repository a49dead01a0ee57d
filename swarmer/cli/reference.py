"""`swarmer reference`: the generated parts of the pages in docs/reference/."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from swarmer.core import alarms, generated, reference_limits, reference_names, software
from swarmer.core import reference as description
from swarmer.core.errors import UserError

FOLDER: Final = software.ROOT / "docs/reference"
PAGES: Final = tuple(
    FOLDER / f"{name}.md" for name in ("servers", "cli", "exit-statuses", "alarms", "keys-and-tags", "limits")
)
"""Pages with generated parts. `swarmer facts` writes those of facts.md."""


@click.command()
@click.argument("pages", nargs=-1, type=click.Path(path_type=Path), metavar="[PAGE]...")
@click.option("-w", "--write", is_flag=True, help="Write the pages instead of standard output.")
@click.pass_context
def reference(context: click.Context, pages: tuple[Path, ...], write: bool) -> None:
    """Generate the tables of docs/reference/ from the code.

    Without PAGE, the command takes all pages.
    """
    main = context.find_root().command
    parts = parts_of(main) if isinstance(main, click.Group) else {}
    for page in pages or PAGES:
        text = filled(page, parts)
        if not write:
            click.echo(text, nl=False)
            continue
        try:
            page.write_text(text)
        except OSError as exc:
            raise UserError(f"{page}: {exc.strerror or exc}") from exc


def parts_of(main: click.Group) -> dict[str, str]:
    """Generated parts of all pages, by their names."""
    # It imports every command, and only the reference needs all of them.
    from swarmer.cli import manual

    return {
        **description.parts(),
        **alarms.parts(),
        **reference_names.parts(software.ROOT),
        **reference_limits.parts(software.ROOT),
        **manual.parts(main),
    }


def filled(page: Path, parts: dict[str, str]) -> str:
    """Text of the page with its parts generated again. Raises UserError."""
    try:
        return generated.fill(page.read_text(), parts)
    except OSError as exc:
        raise UserError(f"{page}: {exc.strerror or exc}") from exc
    except UnicodeDecodeError as exc:
        raise UserError(f"{page}: not UTF-8; name a page of text, like docs/reference/servers.md") from exc
    except KeyError as exc:
        raise UserError(f"{page}: no part is called {exc.args[0]}; take {', '.join(parts)}") from exc


COMMANDS = (reference,)
