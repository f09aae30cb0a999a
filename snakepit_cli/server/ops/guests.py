"""Admits a worker that a client has started, and offers its commands as tools until the client ends the query."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import Any

import msgspec

from snakepit_cli.base.errors import PitError
from snakepit_cli.server.instance import Instance
from snakepit_cli.server.ops import tools
from snakepit_cli.server.ops.streams import Say
from snakepit_cli.server.pools.guests import Guest
from snakepit_cli.server.state.feeds import Feed
from snakepit_cli.server.state.state import Origin
from snakepit_cli.server.tools import registry
from snakepit_cli.wire import worker_pb2 as pb
from snakepit_cli.wire.state import ToolServe

_encode = msgspec.json.Encoder().encode


async def serve(instance: Instance, request: ToolServe, say: Say) -> Any:
    """Says what the worker needs to attach, then its tools. Ends when the worker has gone, or the session has ended.

    Raises PitError.
    """
    state, session = instance.state, request.session
    guest = instance.invite(request.adapter)
    with ExitStack() as undo:
        undo.callback(instance.dismiss, guest)
        way = {"worker": guest.worker, "token": guest.token, "gateway": instance.gateway}
        await say(_encode(way) + b"\n")
        hello = await _hello(guest)
        made = [registry.of_command(one, session, guest.worker, hello.language) for one in hello.commands]
        if not made:
            raise PitError("usage", f"{request.adapter or guest.worker} offers no functions")

        feed: Feed

        def offer() -> None:
            nonlocal feed
            # Not before: an expired session of this name has ended only now. Not later: this one can be removed.
            feed = state.feeds.join(session)
            undo.callback(state.feeds.leave, session, feed)
            state.tools.add(made)

        await tools.in_session(state, session, Origin(), offer)
        await say(_encode({"tools": [one.answer() for one in made]}) + b"\n")
        if state.hold(session):  # it does not end while its tools are served
            undo.callback(state.release, session)
        return {"reason": await _end(guest, feed.over)}


async def _hello(guest: Guest) -> pb.Hello:
    """Raises PitError, whose hint is for a user of `tools serve`."""
    try:
        return await guest.hello
    except PitError as error:
        error.hint = "correct it, and then serve it again"
        raise


async def _end(guest: Guest, ended: asyncio.Event) -> str:
    """Waits for the end of either."""
    waits = [asyncio.ensure_future(guest.over.wait()), asyncio.ensure_future(ended.wait())]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    return "the session has ended" if ended.is_set() else guest.reason
