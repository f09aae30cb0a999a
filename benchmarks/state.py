"""Variables and tools as workers use them, beside a call of an empty command; maps with and without a session."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.instance import Instance
from benchmarks.rows import Peer, Row
from benchmarks.stats import median, percentile
from benchmarks.trials import Trials
from snakepit_cli.client import api

_ADAPTER = Path(__file__).resolve().parent / "adapters" / "stateful.py"
_SESSION = "bench"
_CLAIM = Peer("the original's claim", 68_000)
_KEPT = 50_000


def measure(instance: Instance, trials: Trials) -> list[Row]:
    instance.up("own", str(_ADAPTER))
    instance.up("other", str(_ADAPTER))
    with instance.connect() as connection:
        connection.query("var_set", session=_SESSION, name="x", value=0.5)
        connection.call("offer", b"{}", pool="other", session=_SESSION)
        rows = [_kept(connection, trials), *_requests(connection, trials)]
    return [*rows, *_maps(instance, trials)]


def _kept(connection: api.Connection, trials: Trials) -> Row:
    values = [float(_ask(connection, "kept", _KEPT)) for _ in range(trials.serial_rounds)]
    return Row("variable, kept", median(values) * 1e6, "µs", len(values))


def _requests(connection: api.Connection, trials: Trials) -> list[Row]:
    taken: dict[str, list[float]] = {name: [] for name in ("call", "read", "write", "tool")}
    for name in taken:
        _ask(connection, name, trials.serial_calls)
    for _ in range(trials.serial_rounds):
        for name in taken:
            taken[name] += json.loads(_ask(connection, name, trials.serial_calls))
    call = percentile(taken["call"], 50) * 1e6
    titles = {"read": "variable, read", "write": "variable, written", "tool": "tool of another worker"}
    return [
        Row(f"{title}, p50", percentile(taken[name], 50) * 1e6, "µs", len(taken[name]), Peer("ctx.call", call))
        for name, title in titles.items()
    ]


def _ask(connection: api.Connection, command: str, count: int) -> bytes:
    return connection.call(command, b'{"count":%d}' % count, pool="own", session=_SESSION)


def _maps(instance: Instance, trials: Trials) -> list[Row]:
    """Whole processes of `map`, with and without a session, in turns."""
    source, size = instance.folder / "items", trials.bridge_lines
    sink = instance.folder / "answers"
    instance.pool("mapped", 2)
    source.write_text("".join(f'{{"n":{number}}}\n' for number in range(size)))
    rates: dict[str, list[float]] = {"with": [], "without": []}
    for _ in range(trials.maps):
        for name, more in (("without", ()), ("with", ("--session", _SESSION))):
            where = ("--input", str(source), "--output", str(sink), "--pool", "mapped")
            rates[name].append(size / instance.timed("map", "echo", *where, *more))
    ours, theirs = median(rates["with"]), median(rates["without"])
    return [
        Row("map in a session", ours, "/s", trials.maps, Peer("map in none", theirs)),
        Row("map in a session, and the original", ours, "/s", trials.maps, _CLAIM),
    ]
