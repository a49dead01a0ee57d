"""`swarmer completion`: the script for a shell's completion of commands, options, nodes and groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import click
from click.shell_completion import CompletionItem, get_completion_class

from swarmer.adapters import process
from swarmer.cli.common import DEFAULT, load
from swarmer.core.description import Invalid
from swarmer.core.errors import UserError
from swarmer.local import node_containers

SHELLS: Final = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of SHELL, for commands, options, nodes and groups.

    \b
    For every shell:
      bash   swarmer completion bash > ~/.local/share/bash-completion/completions/swarmer
      zsh    swarmer completion zsh > ~/.zfunc/_swarmer     (~/.zfunc in $fpath before compinit)
      fish   swarmer completion fish > ~/.config/fish/completions/swarmer.fish
    For this shell only:
      bash, zsh   source <(swarmer completion bash)
      fish        swarmer completion fish | source
    """
    cls = get_completion_class(shell)
    if cls is None:
        raise UserError(f"{shell} is no shell that can be completed for: take {', '.join(SHELLS)}")
    root = context.find_root().command
    # click's `source` would run the installed bash to read its version.
    made = cls(root, {}, "swarmer", "_SWARMER_COMPLETE")
    click.echo(made.source_template % made.source_vars())


def complete_nodes(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """Names of existing nodes; empty if the provider does not answer."""
    return _matching(context, typed, lambda servers: sorted(node_containers.addresses(load(servers))))


def complete_groups(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """Names of the description's groups."""
    return _matching(context, typed, lambda servers: [group.name for group in load(servers).cluster.groups])


def complete_groups_and_nodes(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """Names of groups, then of nodes."""
    return [*complete_groups(context, _, typed), *complete_nodes(context, _, typed)]


def _matching(context: click.Context, typed: str, known: Callable[[str], list[str]]) -> list[CompletionItem]:
    try:
        words = known(context.params.get("servers") or DEFAULT)
    except (UserError, Invalid, process.Failed):
        return []
    return [CompletionItem(word) for word in words if word.startswith(typed)]


COMMANDS = (completion,)
