"""snakepit completion: scripts for shells, generated from the tree of verbs and kept in completions/."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from snakepit_cli.cli.help import SHARED, Verb, argument
from snakepit_cli.client.request import COLORS
from snakepit_cli.client.talk import write

_EXAMPLES = """
source <(snakepit completion bash)
snakepit completion zsh >~/.zfunc/_snakepit
snakepit completion fish >~/.config/fish/completions/snakepit.fish
"""
# What a verb's first word is: names to ask for, or fixed ones.
_WORDS = {
    "exec": "@commands", "stream": "@commands", "up": "@pools", "down": "@pools", "logs": "@workers server warden",
    "scale": "@pools", "pause": "@pools", "resume": "@pools", "drain": "@pools", "restart": "@pools @workers",
    "tail": "@streams", "wait": "@streams", "cancel": "@streams", "map": "@commands",
    "completion": "bash zsh fish",
}  # fmt: skip


class Shell(enum.StrEnum):
    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


@dataclass(frozen=True)
class Option:
    names: tuple[str, ...]
    text: str
    value: bool
    words: str
    """What the value may be: `@pools` or fixed words; empty when anything."""


@dataclass(frozen=True)
class Entry:
    """One verb: its name with the group's, what it does, its options."""

    path: str
    text: str
    options: tuple[Option, ...]


def entries(root: Any) -> Iterator[Entry]:
    for name, verb in root.commands.items():
        yield Entry(name, _first(verb.help), tuple(_options(verb)))
        for inner, command in getattr(verb, "commands", {}).items():
            yield Entry(f"{name} {inner}", _first(command.help), tuple(_options(command)))


def _first(text: str | None) -> str:
    return (text or "").partition(".")[0].strip()


def _options(verb: Any) -> Iterator[Option]:
    for one in verb.params:
        if one.param_type_name == "option":
            fixed = "|" in (one.metavar or "") and one.metavar.islower()
            words = "@pools" if "--pool" in one.opts else one.metavar.replace("|", " ") if fixed else ""
            yield Option(tuple(one.opts), (one.help or "").rstrip("."), not one.is_flag, words)


def shared() -> tuple[Option, ...]:
    """Options of every verb."""
    found = []
    for head, text in SHARED:
        names = tuple(word.rstrip(",") for word in head.split() if word.startswith("-"))
        words = " ".join(COLORS) if "--color" in names else ""
        found.append(Option(names, text, value=head.split()[-1] not in names, words=words))
    return (*found, Option(("--help",), "show help", value=False, words=""))


def script(shell: str, root: Any) -> str:
    from snakepit_cli.cli import completion_scripts

    return completion_scripts.WRITERS[shell](tuple(entries(root)), shared(), _WORDS)


def completion(ctx: typer.Context, shell: Annotated[Shell, argument("bash|zsh|fish", "For which shell.")]) -> None:
    """Print the completion script for a shell."""
    write(script(shell.value, ctx.find_root().command).encode())


def register(app: typer.Typer) -> None:
    app.command("completion", cls=Verb, epilog=_EXAMPLES)(completion)
