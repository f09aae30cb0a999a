"""What can be completed: the tree of verbs with their options, and what their first words are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from snakepit_cli.cli.front_page import SHARED
from snakepit_cli.client.call.request import COLORS

# What a verb's first word is, or with `@call` each word: names to ask for, or fixed ones.
WORDS = {
    "exec": "@call", "stream": "@call", "map": "@call", "up": "@pools", "down": "@pools",
    "logs": "@workers @pools server warden",
    "scale": "@pools", "pause": "@pools", "resume": "@pools", "drain": "@pools", "restart": "@pools @workers",
    "tail": "@streams", "wait": "@streams", "cancel": "@streams",
    "completion": "bash zsh fish",
    **dict.fromkeys((f"session {verb}" for verb in ("show", "exists", "touch", "update", "rm")), "@sessions"),
    **dict.fromkeys(
        (f"var {verb}" for verb in ("set", "get", "list", "rm", "mget", "watch", "history", "rollback", "depend")),
        "@variables",
    ),
    **dict.fromkeys((f"program {verb}" for verb in ("put", "get", "rm")), "@programs"),
}  # fmt: skip


_ASKED = {"--pool": "@pools", "--session": "@sessions"}
"""Options whose values are names to ask for."""


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
            asked = next((words for name, words in _ASKED.items() if name in one.opts), "")
            words = asked or (one.metavar.replace("|", " ") if fixed else "")
            yield Option(tuple(one.opts), (one.help or "").rstrip("."), not one.is_flag, words)


def shared() -> tuple[Option, ...]:
    """Options of every verb."""
    found = []
    for head, text in SHARED:
        names = tuple(word.rstrip(",") for word in head.split() if word.startswith("-"))
        words = " ".join(COLORS) if "--color" in names else ""
        found.append(Option(names, text, value=head.split()[-1] not in names, words=words))
    return (*found, Option(("--help",), "show help", value=False, words=""))
