"""The plain forms of `exec` and `stream`, answered before anything heavy is imported.

Whatever is not plain (help, other verbs, unknown options, a progress bar) is declined and goes to the Typer
application in cli/, which makes the same `Request` and holds the same `Talk`. Every import here is paid by every
call: only what CPython has already loaded, `_socket`, and a few small modules of ours. What is needed more seldom
(no server, an error, a terminal) is imported when it happens.
"""

from __future__ import annotations

import os
import sys

from snakepit_cli import __version__
from snakepit_cli.client.call.call import (
    RefusedError,
    Talk,
    is_message,
    nearby,
    quiet_interrupts,
    raise_interrupts,
    write,
    write_line,
)
from snakepit_cli.client.call.request import Request, Shared, UsageError, hoist

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from typing import Any

_FLAGS = {"--json", "--raw", "--idempotent"}
_VALUES = {"--args", "--pool", "--session", "--timeout", "--field", "--affinity", "--meta", "--nan", "--output-file"}
_MAP_FLAGS = {"--lines", "--unordered", "--envelope", "--resume", "--resume-failed"}
_MAP_VALUES = {
    "--input", "--output", "--from", "--to", "--arg", "--batch",
    "--timeout", "--joblog", "--pool", "--session", "--meta", "--nan",
}  # fmt: skip
_REPEATED = {"--meta"}
_SHORT = {"-p": "--pool", "-o": "--output-file"}


def parse(argv: list[str]) -> Request | None:
    """The request when `argv` is a plain form; None means: ask the other parser. Reads no file and no stdin."""
    try:
        shared, rest = hoist(argv)
        if not rest or rest[0] not in {"exec", "stream"} or shared.debug or shared.color != "auto":
            return None
        given, words = _options(rest, _FLAGS, _VALUES)
        return Request(shared, words[0], words[1:], stream=rest[0] == "stream", **given)
    except (UsageError, LookupError):
        return None


def parse_map(argv: list[str]) -> tuple[Shared, str, list[str], dict[str, Any]] | None:
    """Parses `map` for `cli.mapping.perform`. Returns None for what only the other parser knows."""
    try:
        shared, rest = hoist(argv)
        if not rest or rest[0] != "map" or shared.debug or shared.color != "auto":
            return None
        given, words = _options(rest, _MAP_FLAGS, _MAP_VALUES)
        for name, place in (("input", "source"), ("output", "sink"), ("from", "form_in"), ("to", "form_out")):
            if name in given:
                given[place] = given.pop(name)
        return shared, words[0], words[1:], given
    except (UsageError, LookupError):
        return None


def _options(
    words: list[str], flags: set[str], values: set[str], *, numbers: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """Options and the other words after the verb. Raises LookupError for anything that is not plain.

    `numbers`: a word such as -5 is no option.
    """
    given: dict[str, Any] = {}
    plain: list[str] = []
    at = 1
    while at < len(words):
        word = words[at]
        at += 1
        if word == "--":
            plain += words[at:]
            break
        name, equals, value = (_SHORT[word], "", "") if word in _SHORT else word.partition("=")
        if word[:1] != "-" or (numbers and word[1:].removeprefix(".")[:1].isdecimal()):
            plain.append(word)
        elif word in flags:
            given[name[2:].replace("-", "_")] = True
        elif name in values:
            if not equals:
                value = words[at]
                at += 1
                if value[:1] == "-":
                    raise LookupError(word)
            if name in _REPEATED:
                given.setdefault(name[2:], []).append(value)
            else:
                given[name[2:].replace("-", "_")] = value
        elif word != "--progress=none" or words[0] != "stream":
            raise LookupError(word)
        else:
            given["progress"] = "none"
    return given, plain


def attempt(argv: list[str]) -> int | None:
    """Exit code, or None when the other path must do it. Raises what `Talk.run` raises."""
    if argv[:1] == ["__complete"]:
        from snakepit_cli.cli.completion.candidates import candidates

        return candidates(argv[1:])
    # A standard stream that is closed would be opened again as our socket.
    if None in (sys.stdin, sys.stdout, sys.stderr):
        return None
    if (light := _light(argv)) is not None:
        return light
    bulk = parse_map(argv) if "map" in argv else None
    request = parse(argv) if bulk is None else None
    if bulk is not None:
        from snakepit_cli.cli import mapping

        raise_interrupts()
        shared, command, items, given = bulk
        return mapping.perform(shared, command, items, **given)
    return None if request is None else _call(request)


def _light(argv: list[str]) -> int | None:
    """What needs neither a call nor the tree of verbs; None for everything else."""
    if argv in (["--version"], ["-V"], ["version"]):
        write(f"snakepit {__version__}\n".encode())
        return 0
    if argv in ([], ["--help"], ["-h"], ["help"]):
        from snakepit_cli.cli.front_page import LONG, SHORT

        write((LONG if argv else SHORT).encode())
        return 0
    if argv[-1] in {"--help", "-h"} or argv[0] == "help":
        from snakepit_cli.cli.output import shipped

        return shipped.help_of(argv[1:] if argv[0] == "help" else argv[:-1])
    if argv[:1] == ["completion"] and len(argv) == 2:
        from snakepit_cli.cli.output import shipped

        return shipped.script(argv[1])
    for verb, answer in (("status", _status), ("var", _state), ("session", _state)):
        if verb in argv and (code := answer(argv)) is not None:
            return code
    return None


def _state(argv: list[str]) -> int | None:
    """A variable that is read or written, or whether a session exists."""
    from snakepit_cli.client.call import state_query

    try:
        shared, rest = hoist(argv)
        verb = " ".join(rest[:2])
        _, _, flags, values = state_query.PLAIN[verb]
        given, words = _options(rest[1:], flags, values, numbers=verb == "var set")
    except (UsageError, LookupError):
        return None
    if shared.debug or shared.color != "auto" or (sock := nearby(shared.instance)) is None:
        return None
    try:
        query = state_query.plain(shared, verb, words, given)
        from snakepit_cli.cli.output import state_results

        return state_results.perform(sock, query)
    except UsageError:  # before anything was sent
        return None
    finally:
        sock.close()


def _status(argv: list[str]) -> int | None:
    try:
        shared, rest = hoist(argv)
    except UsageError:
        return None
    if rest not in (["status"], ["status", "--json"], ["status", "--no-start"]) or shared.debug:
        return None
    sock = nearby(shared.instance)
    if sock is None:
        return None
    from snakepit_cli.client.call.query import Query, decode

    body = Talk(sock, Query(shared, b'{"op":"status"}')).run()
    if body is None:
        return 130
    if rest[1:] == ["--json"]:
        write_line(body)
    else:
        from snakepit_cli.cli.output.status_view import draw

        draw(decode(bytes(body)), shared)
    return 0


def _call(request: Request) -> int:
    request.check()
    sock = nearby(request.shared.instance)
    if sock is None:
        from snakepit_cli.cli.connection import perform

        return perform(request)
    try:
        return _converse(sock, request)
    except RefusedError as refusal:
        from snakepit_cli.cli.connection import after_refusal

        return after_refusal(request, refusal)
    finally:
        sock.close()


def _converse(sock: socket, request: Request) -> int:
    if request.field is not None or request.raw or request.output_file is not None or os.isatty(1):
        from snakepit_cli.cli.output.results import converse

        return converse(sock, request)

    def chunks(data: bytes | memoryview) -> None:
        if data[:1] != b"\0":
            write(data)
            return
        from snakepit_cli.cli.output.results import show_chunk

        show_chunk(request, data)

    body = Talk(sock, request, chunks).run()
    if body is None:
        return 130
    if is_message(body):
        from snakepit_cli.cli.output.results import show_call

        show_call(request, body)
    elif not request.stream:
        write_line(body)
    return 0


def main() -> None:
    """Never returns. Leaves without tearing the interpreter down: nothing is buffered."""
    quiet_interrupts()
    argv = sys.argv[1:]
    try:
        code = attempt(argv)
        if code is None:
            if sys.flags.no_site:  # scripts/snakepit starts us so; Typer may be in another place than we are
                import site

                site.main()
            from snakepit_cli.cli.app import run

            code = run(argv)
    except KeyboardInterrupt:
        code = 130
    except Exception as error:  # noqa: BLE001 — whatever it is, a person reads a sentence, not a traceback
        from snakepit_cli.cli.output.error_report import report

        code = report(error, argv)
    os._exit(code)
