"""Each request ends exactly once, whatever else comes with its id."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from snakepit_cli.server.doors.front import HEADROOM
from snakepit_cli.wire import front as wire
from snakepit_cli.wire import ops
from tests.unit.server.fake import LIMIT, Client, call, cancel, query, run, turns


def test_a_query_ends_once_however_it_is_given_up() -> None:
    """Twice in one breath; when it has been answered already; when it answers all the same."""

    async def test() -> None:
        async def stubborn(request: ops.Request) -> Any:
            if isinstance(request, ops.Status):
                return 1
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return 2

        with Client(stubborn) as client:
            client.say(query(1, b'{"op":"status"}'), query(2))
            await asyncio.sleep(0)
            client.say(cancel(1), cancel(2), cancel(2), query(2, b'{"op":"status"}'))
            await turns()
            assert client.heard == [("R", 1, b"1"), ("E", 2, "cancelled"), ("R", 2, b"1")]

    run(test)


def test_a_query_that_the_server_gives_up_is_answered() -> None:
    async def test() -> None:
        async def given_up(_: ops.Request) -> None:
            raise asyncio.CancelledError

        with Client(given_up) as client:
            client.say(query(1))
            await turns()
            assert client.heard == [("E", 1, "cancelled")]

    run(test)


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        (call(1), "usage"),
        (query(1), "usage"),
        (wire.frame(wire.CALL, 1, b"nonsense"), "usage"),
        (call(1, version="0.0"), "version_skew"),
        (call(1, b"x" * (LIMIT + HEADROOM)), "invalid_arguments"),
    ],
    ids=["call", "query", "malformed", "version", "too long"],
)
def test_the_id_of_a_running_request_is_refused_and_that_goes_on(wrong: bytes, kind: str) -> None:
    async def test() -> None:
        with Client() as client:
            client.say(call(1), wrong)
            await turns()
            assert client.heard == [("E", 1, kind)]
            client.say(cancel(1))
            client.connection.connection_lost(None)
            assert client.host.cancelled == [1, 1], "it can be cancelled, and ends with its connection"

    run(test)


def test_the_id_of_a_running_query_is_refused_and_that_goes_on() -> None:
    async def test() -> None:
        ended: list[type] = []

        async def forever(request: ops.Request) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(type(request))

        with Client(forever) as client:
            client.say(query(1), query(1, b'{"op":"status"}'), call(1))
            await turns()
            assert client.heard == [("E", 1, "usage"), ("E", 1, "usage")]
            client.connection.connection_lost(None)
            await turns()
            assert ended == [ops.Ping]
            assert len(client.heard) == 2, "it is not heard any more"

    run(test)
