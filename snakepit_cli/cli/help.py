"""--help as people read it: what it is, examples, the usage line, the words, and the options that every verb takes."""

from __future__ import annotations

import inspect
import re
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from snakepit_cli.cli.front_page import SHARED

_NEGATIVE = re.compile(r"-\.?\d")


def _write(command: Any, ctx: Any, formatter: Any) -> None:
    formatter.write_text(inspect.cleandoc(command.help or ""))
    formatter.write_paragraph()
    if command.epilog:
        formatter.write_heading("Examples")
        formatter.write("".join(f"  {line.strip()}\n" for line in command.epilog.strip().splitlines()))
        formatter.write_paragraph()
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    words = "VERB ..." if isinstance(command, TyperGroup) else " ".join(_place(one) for one in arguments)
    formatter.write_usage(ctx.command_path, f"[OPTIONS] {words}")
    if arguments:
        with formatter.section("Arguments"):
            formatter.write_dl([(one.metavar, one.help) for one in arguments])
    with formatter.section("Options"):
        formatter.write_dl([_line(one) for one in command.get_params(ctx) if one.param_type_name == "option"])
    if isinstance(command, TyperGroup):
        with formatter.section("Verbs"):
            formatter.write_dl([(name, (one.help or "").partition(".")[0]) for name, one in command.commands.items()])
    with formatter.section("Everywhere"):
        formatter.write_dl(SHARED)


def _place(argument: Any) -> str:
    text = str(argument.metavar)
    return f"[{text}]{'...' if argument.nargs == -1 else ''}" if not argument.required else text


def _line(option: Any) -> tuple[str, str]:
    names = ", ".join(sorted(option.opts, key=len))
    return (names if option.is_flag else f"{names} {option.metavar}", (option.help or "").rstrip("."))


class Verb(TyperCommand):
    """A command; its epilog holds the examples."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        _write(self, ctx, formatter)


class ValueVerb(Verb):
    """A verb that takes a value, which may be a negative number: that is not an option."""

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        words = args[: args.index("--")] if "--" in args else args
        ctx.ignore_unknown_options = any(_NEGATIVE.match(word) for word in words)
        return super().parse_args(ctx, args)


class Verbs(TyperGroup):
    """A group; its epilog holds the examples."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        _write(self, ctx, formatter)


def option(names: str, text: str, metavar: str | None = None) -> Any:
    """`names` apart by spaces."""
    return typer.Option(*names.split(), help=text, metavar=metavar, show_default=False)


def argument(metavar: str, text: str) -> Any:
    return typer.Argument(metavar=metavar, help=text, show_default=False)


def group(name: str, examples: str, text: str, *, alone: bool = False) -> typer.Typer:
    """`alone`: it does something without a verb, too."""
    return typer.Typer(
        name=name, cls=Verbs, help=text, epilog=examples, add_completion=False, rich_markup_mode=None,
        invoke_without_command=alone, no_args_is_help=False,
        context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 110},
    )  # fmt: skip
