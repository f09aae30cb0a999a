"""Writes every generated file of the repository, or checks that they are current.

python -m tests.tools.regen            write
python -m tests.tools.regen --check    exit 1 and name what is stale
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROTO = "snakepit/worker/v1/worker.proto"
# The server and the Python bridge never import each other, so each has its own copy.
PROTO_TARGETS = ("snakepit_cli/wire", "bridges/python/snakepit_bridge")


def _portable(code: str) -> str:
    """Removes the check that ties generated code to the protobuf release that generated it.

    The bridge runs in interpreters we do not choose (Python 3.9 stops at protobuf 6); the builder calls
    that remain are the same since protobuf 4.
    """
    code = re.sub(r"^# Protobuf Python Version: .*\n", "", code, flags=re.MULTILINE)
    code = re.sub(r"^from google\.protobuf import runtime_version as _runtime_version\n", "", code, flags=re.MULTILINE)
    check = r"^_runtime_version\.ValidateProtobufRuntimeVersion\(\n(?:    .*\n)*\)\n"
    return re.sub(check, "", code, flags=re.MULTILINE)


def protobuf() -> Iterator[tuple[str, str]]:
    """The worker contract in Python."""
    from grpc_tools import protoc

    with tempfile.TemporaryDirectory() as out:
        args = ["protoc", f"-I{ROOT / 'proto'}", f"--python_out={out}", f"--pyi_out={out}", PROTO]
        if protoc.main(args) != 0:
            raise SystemExit("protoc failed")
        folder = Path(out, PROTO).parent
        code = _portable((folder / "worker_pb2.py").read_text())
        stub = (folder / "worker_pb2.pyi").read_text()
    for target in PROTO_TARGETS:
        yield f"{target}/worker_pb2.py", code
        yield f"{target}/worker_pb2.pyi", stub


def binary_parts() -> Iterator[tuple[str, str]]:
    """Messages with parts: for the same reason the tool has a copy of the bridge's code."""
    for name in ("binary", "parts"):
        code = (ROOT / f"bridges/python/snakepit_bridge/{name}.py").read_text()
        yield f"snakepit_cli/wire/{name}.py", code.replace("from snakepit_bridge.", "from snakepit_cli.wire.")


def bridges() -> Iterator[tuple[str, str]]:
    """The worker contract for the bridges that encode it themselves."""
    from google.protobuf.descriptor_pb2 import FileDescriptorSet
    from grpc_tools import protoc

    from tests.tools import field_tables

    with tempfile.TemporaryDirectory() as out:
        args = ["protoc", f"-I{ROOT / 'proto'}", f"--descriptor_set_out={out}/set", PROTO]
        if protoc.main(args) != 0:
            raise SystemExit("protoc failed")
        [file] = FileDescriptorSet.FromString(Path(out, "set").read_bytes()).file
    yield from field_tables.tables(file)


def completions() -> Iterator[tuple[str, str]]:
    """Completion scripts for shells, from the tree of verbs."""
    from snakepit_cli.cli import app
    from snakepit_cli.cli.verbs import completion

    for shell in completion.Shell:
        yield f"completions/snakepit.{shell.value}", completion.script(shell.value, app.command())


def shipped_help() -> Iterator[tuple[str, str]]:
    """`--help` of every verb, as the fast path prints it."""
    import typer

    from snakepit_cli.cli import app
    from snakepit_cli.cli.output import shipped

    def helps(command: Any, path: str, parent: typer.Context) -> Iterator[str]:
        for name, inner in getattr(command, "commands", {}).items():
            context = inner.make_context(name, [], parent=parent, resilient_parsing=True)
            context.terminal_width = shipped.WIDTH
            full = f"{path} {name}".strip()
            yield f"{shipped.MARK}{full}\n{inner.get_help(context)}\n"
            yield from helps(inner, full, context)

    root = app.command()
    context = root.make_context("snakepit", [], resilient_parsing=True)
    yield f"completions/{shipped.HELP}", "".join(helps(root, "", context))


def errors() -> Iterator[tuple[str, str]]:
    """The table of errors, for people."""
    from snakepit_cli.base.errors import KINDS

    rows = [
        f"| {row.exit} | `{kind}` | {row.cause} | {'yes' if row.retryable else 'no'} | {row.hint} |"
        for kind, row in KINDS.items()
    ]
    head = [
        "# Every error",
        "",
        "Generated from `snakepit_cli/base/errors.py`. The set is closed: a command fails with one of these, or not at",
        "all. With `--json` the kind is in `error.kind`, the exit code in `error.exit`, the next step in `error.hint`;",
        "*again* (`error.retryable`) says whether the same request may succeed when it is sent once more.",
        "",
        "| exit | kind | what it means | again | what to do |",
        "|---|---|---|---|---|",
    ]
    yield "docs/reference/errors.md", "\n".join([*head, *rows, ""])


def reference() -> Iterator[tuple[str, str]]:
    """`--help` of every verb, one after the other."""
    import typer

    from snakepit_cli.cli import app

    def helps(command: Any, path: str, parent: typer.Context | None) -> Iterator[str]:
        context = command.make_context(path.rpartition(" ")[2], [], parent=parent, resilient_parsing=True)
        context.terminal_width = context.max_content_width = 100
        text = "\n".join(line.rstrip() for line in command.get_help(context).strip().splitlines())
        yield f"## {path}\n\n```text\n{text}\n```\n"
        for name, inner in getattr(command, "commands", {}).items():
            yield from helps(inner, f"{path} {name}", context)

    head = "# Command reference\n\nGenerated from `snakepit VERB --help`.\n"
    yield "docs/reference/cli.md", "\n".join([head, *helps(app.command(), "snakepit", None)])


def configuration() -> Iterator[tuple[str, str]]:
    """The JSON Schema of the configuration file, for editors."""
    from snakepit_cli.settings import tables

    yield "docs/reference/config.schema.json", json.dumps(tables.json_schema(), indent=1) + "\n"


GENERATORS: tuple[Callable[[], Iterator[tuple[str, str]]], ...] = (
    protobuf, binary_parts, bridges, completions, shipped_help, errors, reference, configuration,
)  # fmt: skip


def stale() -> list[str]:
    """Paths of generated files that differ from what would be generated now."""
    return [
        name
        for generator in GENERATORS
        for name, text in generator()
        if not (path := ROOT / name).exists() or path.read_text() != text
    ]


def main() -> None:
    if "--check" in sys.argv:
        names = stale()
        for name in names:
            print(f"stale: {name} (run: python -m tests.tools.regen)")
        raise SystemExit(1 if names else 0)
    for generator in GENERATORS:
        for name, text in generator():
            path = ROOT / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            print(f"wrote {name}")


if __name__ == "__main__":
    main()
