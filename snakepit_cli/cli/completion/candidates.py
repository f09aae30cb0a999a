"""Names for shell completion, of a server that runs: none is started, no pool either, and it takes 0.1 s at most.

    snakepit __complete WHAT [WORD...]

WHAT is one of pools, workers, streams, sessions, variables, programs, call. The WORDs are those of the command line
between `snakepit` and the one that is completed: they name the instance, the pool, the session and the command. `call`
completes the words of exec, stream and map: the command first, then its arguments.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from snakepit_cli.base.errors import PitError
from snakepit_cli.cli import parameters
from snakepit_cli.client import api
from snakepit_cli.client.call.call import write
from snakepit_cli.client.call.request import PROGRESS, UsageError, hoist
from snakepit_cli.client.connect.find import find

_SECONDS = 0.1
_MOST = 1000
"""Sessions that are offered."""
_STATE = {"sessions": "session_list", "variables": "var_list", "programs": "program_list"}
_VALUED = {
    "-p", "--pool", "--args", "--session", "--timeout", "--field", "--affinity", "--input", "--output", "--arg",
    "--joblog", "--retries", "--max-failures", "--on-error", "--meta", "--nan",
}  # fmt: skip


def candidates(argv: list[str]) -> int:
    """Writes one candidate a line. Never fails and prints no errors: they would disturb the line being typed."""
    try:
        shared, words = hoist(argv[1:])
        sock = find(shared.instance)
        if sock is None or not argv:
            return 0
        with api.Connection(sock) as connection:
            names = list(_names(connection, argv[0], words))
    except (PitError, UsageError, OSError, LookupError, ValueError):
        return 0
    write("".join(f"{name}\n" for name in names).encode())
    return 0


def _names(connection: api.Connection, what: str, words: list[str]) -> Iterator[str]:
    if what in {"streams", "workers"}:
        yield from (str(one["id"]) for one in connection.query(what, patience=_SECONDS))
        return
    if what in _STATE:
        yield from _state(connection, what, words)
        return
    pools = connection.query("status", patience=_SECONDS)["pools"]
    if what == "pools":
        yield from (str(one["name"]) for one in pools)
        return
    pool, plain = _parsed(words)
    if any(one["name"] == pool and one["ready"] for one in pools):
        known = connection.query("commands", patience=_SECONDS, pool=pool)["commands"]
        if len(plain) < 2:
            yield from (str(one["name"]) for one in known)
        else:
            for command in [one for one in known if one["name"] == plain[1]]:
                yield from _arguments(command["parameters"], plain[2:])


def _state(connection: api.Connection, what: str, words: list[str]) -> Iterator[str]:
    """Names in the session that the line names, of one that need not exist."""
    if what == "sessions":
        found = connection.query("session_list", patience=_SECONDS, limit=_MOST)["sessions"]
    else:
        session = _value(words, "--session") or os.environ.get("SNAKEPIT_SESSION")
        everywhere = True if what == "programs" and ("--global" in words or not session) else None
        if session is None and everywhere is None:
            return
        scope = {"global": everywhere} if everywhere else {"session": session}
        found = connection.query(_STATE[what], patience=_SECONDS, **scope)
    yield from (str(one["name" if what == "variables" else "id"]) for one in found)


def _value(words: list[str], option: str) -> str:
    for word, following in zip(words, [*words[1:], ""], strict=True):
        name, equals, value = word.partition("=")
        if name == option:
            return value if equals else following
    return ""


def _parsed(words: list[str]) -> tuple[str, list[str]]:
    """The pool, and the words that are no options: verb, command, arguments."""
    pool, plain, rest = os.environ.get("SNAKEPIT_POOL") or "default", [], iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if word[:1] != "-":
            plain.append(word)
        elif name in _VALUED:
            value = value if equals else next(rest, "")
            pool = value if name in {"-p", "--pool"} else pool
        elif word == "--progress=auto" and plain and plain[-1] in PROGRESS:
            plain.pop()
    return pool, plain


def _arguments(known: list[api.Json], given: list[str]) -> Iterator[str]:
    """Those that are not given yet, each with the values that it may have when these are known."""
    names = {word.partition("=")[0].removesuffix(":") for word in given}
    for one in known:
        name, kind = str(one["name"]), str(one["type"])
        if name in names:
            continue
        values = parameters.choices(kind)
        yield from (f"{name}{parameters.sign(kind)}{value}" for value in values or [""])
