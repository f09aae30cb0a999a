"""snakepit completion: scripts for shells, generated from the tree of verbs and kept in completions/."""

from __future__ import annotations

import enum
from typing import Annotated, Any

import typer

from snakepit_cli.cli.completion import scripts, words
from snakepit_cli.cli.help import Verb, argument
from snakepit_cli.client.call.call import write

_EXAMPLES = """
source <(snakepit completion bash)
snakepit completion zsh >~/.zfunc/_snakepit
snakepit completion fish >~/.config/fish/completions/snakepit.fish
"""


class Shell(enum.StrEnum):
    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def script(shell: str, root: Any) -> str:
    """The completion script of a shell for these verbs."""
    return scripts.WRITERS[shell](tuple(words.entries(root)), words.shared(), words.WORDS)


def completion(ctx: typer.Context, shell: Annotated[Shell, argument("bash|zsh|fish", "Name of the shell.")]) -> None:
    """Print the completion script for a shell."""
    write(script(shell.value, ctx.find_root().command).encode())


def register(app: typer.Typer) -> None:
    app.command("completion", cls=Verb, epilog=_EXAMPLES)(completion)
