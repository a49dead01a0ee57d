"""Generated parts of docs/reference/cli.md and docs/reference/exit-statuses.md, from the commands."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import click

from swarmer.cli.common import SECTIONS
from swarmer.cli.exit_statuses import EXIT_STATUSES, OF_COMMANDS
from swarmer.core import generated

PLACES: Final[Mapping[str, str]] = {
    "validate": "Needs no cluster. With `--aws` it reads the stacks of the AWS account.",
    "diagram": "Needs no cluster.",
    "reference": "Needs no cluster.",
    "facts": "Needs no cluster.",
    "doctor": "Examines this machine, or with `--aws` the AWS account.",
    "up": "Acts on this machine.",
    "down": "Acts on this machine.",
    "dns-proxy": "Acts on this machine.",
    "registrator": "Acts on one Docker Engine and one Consul.",
    "kill": "Acts on the rehearsal only.",
    "machines": "Needs no cluster.",
    "cloud-init": "Writes files only, for machines of any provider.",
    "vagrant status": "Acts on Vagrant's machines.",
    "completion": "Needs no cluster.",
}
"""Providers of the commands without the option `--on`."""
ON: Final = "Acts on AWS or on the rehearsal (`--on`)."


def parts(main: click.Group) -> dict[str, str]:
    """Generated parts of both pages, by their names."""
    found = {f"cli-{slug(heading)}": section(main, commands) for heading, commands in SECTIONS.items()}
    return found | {"exit-statuses": statuses(EXIT_STATUSES), "exit-statuses-of-commands": differing()}


def slug(heading: str) -> str:
    """Name of a section's generated part: `one-node`."""
    return heading.lower().replace(" ", "-")


def section(main: click.Group, commands: Iterable[str]) -> str:
    """Text about each command of a section of `swarmer --help`."""
    return "\n".join(_command(name, each) for name, each in shown(main, commands))


def shown(main: click.Group, commands: Iterable[str]) -> Iterator[tuple[str, click.Command]]:
    """Commands with their names. A group stands for those of its commands that are not hidden."""
    for name in commands:
        command = main.get_command(click.Context(main), name)
        if isinstance(command, click.Group):
            yield from ((f"{name} {each}", it) for each, it in command.commands.items() if not it.hidden)
        elif command:
            yield name, command


def differing() -> str:
    """Table of the commands whose exit statuses say more."""
    rows = [
        (f"`swarmer {command}`", status, f"{meaning[0].upper()}{meaning[1:]}.")
        for command, found in OF_COMMANDS.items()
        for status, meaning in found
    ]
    return generated.table(("command", "status", "meaning"), rows)


def statuses(found: Iterable[tuple[str, str]]) -> str:
    """Table of exit statuses."""
    rows = [(status, f"{meaning[0].upper()}{meaning[1:]}.") for status, meaning in found]
    return generated.table(("status", "meaning"), rows)


def _command(name: str, command: click.Command) -> str:
    arguments = [each for each in command.params if isinstance(each, click.Argument)]
    options = [each for each in command.params if isinstance(each, click.Option) and not each.hidden]
    takes = f"Arguments: `{' '.join(_argument(each) for each in arguments)}`." if arguments else ""
    has_place = any(each.name == "on" for each in options)
    text = [f"### swarmer {name}\n", _help(command), " ".join(filter(None, (_place(name, has_place), takes)))]
    if options:
        text.append("\n" + generated.table(("option", "meaning", "default"), map(_option, options)).rstrip())
    if name in OF_COMMANDS:
        text.append("\n" + statuses(OF_COMMANDS[name]).rstrip())
    return "\n".join(text) + "\n"


def _place(name: str, has_on: bool) -> str:
    """Providers of a command. Raises ValueError for a command without `--on` that PLACES lacks."""
    if not has_on and name not in PLACES:
        raise ValueError(f"swarmer {name} has no option --on: describe its place in PLACES of {__name__}")
    return ON if has_on else PLACES[name]


def _help(command: click.Command) -> str:
    """Paragraphs of a command's help. Lines that click shows as they are become a block."""
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(command.help or ""))
    return "".join(f"{_paragraph(each)}\n\n" for each in paragraphs).rstrip("\n") + "\n"


def _paragraph(text: str) -> str:
    if text.startswith("\b"):
        lines = text.splitlines()[1:]
        return "\n".join(["<!-- shown -->\n", *(f"    {line}" for line in lines)])
    return generated.joined(text)


def _argument(argument: click.Argument) -> str:
    return argument.make_metavar(click.Context(click.Command("")))


def _option(option: click.Option) -> tuple[str, str, str]:
    """Row of an option. The default may stand in brackets at the end of the help text."""
    value = "" if option.is_flag else f" {option.make_metavar(click.Context(click.Command('')))}"
    names = ", ".join(f"`{each}`" for each in option.opts)
    text, _, default = (option.help or "").rstrip("].").partition(" [")
    return f"{names}{_code(value)}", f"{text.rstrip('.')}.", default or _default(option)


def _code(value: str) -> str:
    return f" `{value.strip()}`" if value else ""


def _default(option: click.Option) -> str:
    value: Any = option.default
    is_set = option.show_default and not option.is_flag
    return f"{value:g}" if is_set and isinstance(value, float) else f"{value}" if is_set else "–"
