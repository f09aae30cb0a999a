"""Options and arguments that several verbs have in common."""

from __future__ import annotations

import enum
from typing import Annotated

from snakepit_cli.cli.help import argument, option

_WORDS_HELP = "key=text, key:=JSON, key=@file, key:=@file, key@=file (binary); @- is standard input"


class Progress(enum.StrEnum):
    AUTO = "auto"
    BAR = "bar"
    PLAIN = "plain"
    JSONL = "jsonl"
    NONE = "none"


Command = Annotated[str, argument("COMMAND", "Name of a command of the adapter.")]
Items = Annotated[list[str] | None, argument("KEY=VALUE", _WORDS_HELP)]
Args = Annotated[str | None, option("--args", "All arguments as one JSON object.", "JSON|@FILE")]
Pool = Annotated[str | None, option("--pool -p", "The pool to call (SNAKEPIT_POOL).", "POOL")]
Session = Annotated[str | None, option("--session", "The session that it belongs to (SNAKEPIT_SESSION).", "ID")]
Timeout = Annotated[str | None, option("--timeout", "How long to wait: 30, 90s, 2m.", "TIME")]
Affinity = Annotated[
    str | None,
    option("--affinity", "What to do when the session's worker is busy or gone.", "hint|strict_queue|strict_fail_fast"),
]
Idempotent = Annotated[bool, option("--idempotent", "Run it again when its worker dies.")]
Meta = Annotated[list[str] | None, option("--meta", "Facts that travel with the call; repeatable.", "KEY=VALUE")]
SessionOf = Annotated[str | None, option("--session", "The session (SNAKEPIT_SESSION).", "ID")]
JsonAnswer = Annotated[bool, option("--json", "Exactly one JSON document on stdout.")]
Expect = Annotated[str | None, option("--expect", "Only if this is its current version.", "VERSION")]
IsString = Annotated[bool, option("--string", "The value is text, whatever it looks like.")]
IsJson = Annotated[bool, option("--json-value", "The value must be JSON.")]
Facts = Annotated[list[str] | None, option("--meta", "A fact to keep with it; repeatable.", "KEY=VALUE")]
Pattern = Annotated[str, argument("PATTERN", "Only names that match: *, ?, [abc], [!abc].")]
Json = Annotated[bool, option("--json", "Exactly one JSON document on stdout, also on failure.")]
Field = Annotated[str | None, option("--field", "Print only a part of the result: a.b[0].c", "PATH")]
Nan = Annotated[str | None, option("--nan", "What becomes of NaN in the answer.", "refuse|null")]
OutputFile = Annotated[
    str | None,
    option("--output-file -o", "Write the result into this file: .npy, .json, .arrow, .png, .bin, …", "FILE"),
]
Raw = Annotated[bool, option("--raw", "Print strings without quotes, and binary results as they are.")]
ShowProgress = Annotated[Progress, option("--progress", "How to show progress on stderr.", "auto|bar|plain|jsonl|none")]
