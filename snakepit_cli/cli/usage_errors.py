"""What is wrong with a command line, in our own words: those of Click, Typer and pydantic are for programmers."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from typing import Any

from snakepit_cli.base.errors import PitError

_NEAR = 0.65


def told(error: Any, argv: Sequence[str]) -> PitError:
    """`error` is a ClickError. The hint says which help to read, or what is near."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "snakepit"
    message, near = _message(error, argv)
    return PitError("usage", message, hint=f"did you mean {near}?" if near else f"run `{path} --help`")


Words = tuple[str, str | None]
"""What is wrong, and what may have been meant."""


def _message(error: Any, argv: Sequence[str]) -> Words:
    param = getattr(error, "param", None)
    kind = type(error).__name__
    if kind in _OF_KIND:
        return _OF_KIND[kind](error, argv)
    if param is not None and kind in _OF_PARAMETER:
        return _OF_PARAMETER[kind](param, argv), None
    text = str(error.format_message()).rstrip(".")
    for pattern, words in _OF_TEXT:
        if found := re.match(pattern, text):
            return words(error, *found.groups())
    return text, None


def _path(error: Any) -> str:
    return str(error.ctx.command_path) if error.ctx else "snakepit"


def _no_option(error: Any, _: Sequence[str]) -> Words:
    return f"`{_path(error)}` has no option {error.option_name}", _near(error.option_name, error.possibilities)


def _value_of_option(error: Any, _: Sequence[str]) -> Words:
    needs = "needs a value" if "requires" in error.format_message() else "takes no value"
    return f"{error.option_name} {needs}", None


def _missing(param: Any, _: Sequence[str]) -> str:
    if param.param_type_name != "argument":
        return f"missing option {_name(param)}"
    help_text = (param.help or "").rstrip(".")
    return f"missing argument {param.metavar}: {help_text[:1].lower()}{help_text[1:]}"


def _bad(param: Any, argv: Sequence[str]) -> str:
    given = _given(param, argv)
    return f"{_name(param)} must be {_allowed(param)}" + (f", not {given}" if given is not None else "")


def _no_verb(error: Any, name: str) -> Words:
    path = _path(error)
    known = list(error.ctx.command.commands) if error.ctx else []
    what = "verb" if path == "snakepit" else f"verb of `{path}`"
    return f"`{name}` is not a {what}", _near(name, known, f"{path} ")


def _no_verb_given(error: Any) -> Words:
    return f"a verb is missing: `{_path(error)}` has {', '.join(error.ctx.command.commands)}", None


def _too_many(_: Any, words: str) -> Words:
    return f"{'too many words' if ' ' in words else 'one word too many'}: {words}", None


_OF_KIND: dict[str, Callable[[Any, Sequence[str]], Words]] = {
    "NoSuchOption": _no_option, "BadOptionUsage": _value_of_option,
}  # fmt: skip
_OF_PARAMETER: dict[str, Callable[[Any, Sequence[str]], str]] = {"MissingParameter": _missing, "BadParameter": _bad}
_OF_TEXT: tuple[tuple[str, Callable[..., Words]], ...] = (
    (r"No such command '([^']*)'", _no_verb),
    (r"Missing command$", _no_verb_given),
    (r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)", _too_many),
)


def _near(name: str, known: Sequence[str] | None, before: str = "") -> str | None:
    near = difflib.get_close_matches(name, known or (), n=1, cutoff=_NEAR)
    return f"`{before}{near[0]}`" if near else None


def _name(param: Any) -> str:
    if param.param_type_name == "argument":
        return "the argument" if "|" in param.metavar else str(param.metavar)
    return str(max(param.opts, key=len))


def _allowed(param: Any) -> str:
    metavar = str(param.metavar or "")
    return f"one of {metavar.replace('|', ', ')}" if "|" in metavar else "a whole number"


def _given(param: Any, argv: Sequence[str]) -> str | None:
    """What was typed for an option, or for an argument that has fixed words."""
    for at, word in enumerate(argv):
        name, equals, value = word.partition("=")
        if name in param.opts and equals:
            return value
        if word in param.opts and at + 1 < len(argv):
            return argv[at + 1]
    return argv[-1] if param.param_type_name == "argument" and "|" in (param.metavar or "") and argv else None
