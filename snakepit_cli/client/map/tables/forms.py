"""The forms that input and output may have, and how one is known by the name of its file."""

from __future__ import annotations

from snakepit_cli.base.errors import PitError

LINES = "jsonl"
SEPARATORS = {"csv": ",", "tsv": "\t"}
COLUMNAR = ("parquet", "arrow")
SOURCES = (LINES, *SEPARATORS, *COLUMNAR)
SINKS = (LINES, *SEPARATORS)
_ENDINGS = {".csv": "csv", ".tsv": "tsv", ".parquet": "parquet", ".arrow": "arrow", ".feather": "arrow"}


def of_source(given: str | None, path: str, *, text: bool) -> str:
    """The form of the input: what was said, else what the file's ending says. Raises PitError.

    `text`: its lines are text, which says it as well.
    """
    form = (LINES if text else _by_ending(path)) if given is None else given
    if form not in SOURCES:
        raise PitError("usage", f"--from {form}: must be {_either(SOURCES)}")
    if text and form != LINES:
        raise PitError("usage", f"--lines: the rows of --from {form} are not lines of text")
    return form


def of_sink(given: str | None, path: str) -> str:
    """The form of the output. Raises PitError."""
    form = _by_ending(path) if given is None else given
    if form not in SINKS:
        if given is not None:
            raise PitError("usage", f"--to {given}: must be {_either(SINKS)}")
        text = f"--output {path}: the form of the output must be {_either(SINKS)}, not {form}"
        raise PitError("usage", text, hint="name another file, or add --to jsonl")
    return form


def _by_ending(path: str) -> str:
    return next((form for ending, form in _ENDINGS.items() if path.lower().endswith(ending)), LINES)


def _either(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
