"""Our end of the control pipe to the warden, who starts and ends processes for us."""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from snakepit_cli.base.ends import Ends

_PACKET = 1 << 18


class WardenLink:
    """Sends never wait. When the warden is gone so are we: it was the parent of everything."""

    def __init__(self, channel: socket.socket, handle: Callable[[dict[str, Any]], None]) -> None:
        self._channel = channel
        self._handle = handle
        self._outbox: deque[bytes] = deque()
        self._loop = asyncio.get_running_loop()
        channel.setblocking(False)
        self._loop.add_reader(channel, self._readable)

    def send(self, op: str, **fields: Any) -> None:
        self._outbox.append(msgspec.json.encode({"op": op, **fields}))
        if len(self._outbox) == 1:
            self._flush()

    def _flush(self) -> None:
        while self._outbox:
            try:
                self._channel.send(self._outbox[0])
            except BlockingIOError:
                self._loop.add_writer(self._channel, self._flush)
                return
            except OSError:
                os._exit(0)
            self._outbox.popleft()
        self._loop.remove_writer(self._channel)

    def _readable(self) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._channel, _PACKET, 2)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        if not data:
            os._exit(0)
        message = msgspec.json.decode(data)
        if descriptors:
            message["talk"] = Ends(*descriptors)
        self._handle(message)


def first_message(channel: socket.socket) -> dict[str, Any]:
    """What the warden tells every new server, waiting for it."""
    message: dict[str, Any] = msgspec.json.decode(channel.recv(_PACKET))
    return message
