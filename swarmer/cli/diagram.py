"""`swarmer diagram`: the cluster that servers.yml describes, as a picture."""

from __future__ import annotations

from pathlib import Path

import click

from swarmer.cli.common import load, servers_option
from swarmer.cli.progress import working
from swarmer.core import diagram as drawing
from swarmer.core.errors import UserError
from swarmer.local import host

SCALE = 2
"""Number of pixels of the PNG for one pixel of the SVG, sharp on today's screens."""


@click.command()
@servers_option
@click.option("-o", "--output", type=Path, help="File to write, .svg or .png [SVG on standard output].")
def diagram(servers: str, output: Path | None) -> None:
    """Draw the cluster as SVG or PNG: zones, groups, nodes, names.

    \b
      swarmer diagram -o cluster.svg
      swarmer diagram -o cluster.png
    """
    text = drawing.svg(load(servers).cluster)
    if output is None:
        click.echo(text, nl=False)
        return
    if output.suffix not in (".svg", ".png"):
        raise UserError(f"{output} is neither SVG nor PNG: name a file that ends in .svg or .png")
    try:
        if output.suffix == ".svg":
            output.write_text(text)
        else:
            with working(f"draws {output}"):
                output.write_bytes(png(text))
    except OSError as exc:
        raise UserError(f"{output} cannot be written: {exc.strerror or exc}", status=1) from exc
    click.echo(f"{output} shows {drawing.listed_groups(load(servers).cluster)}")


def png(text: str) -> bytes:
    """PNG of the SVG `text`, drawn by the library cairo. Raises UserError if cairo is missing."""
    host.ensure_library("cairo", "libcairo2")
    import cairosvg

    made: bytes = cairosvg.svg2png(bytestring=text.encode(), scale=SCALE)
    return made


COMMANDS = (diagram,)
