"""Our end of the control pipe to the warden, which starts and ends processes for us."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from snakepit_cli.base import packets
from snakepit_cli.base.pipe_pair import Ends

_encode = msgspec.json.encode


class WardenLink:
    """Sends never wait. When the warden is gone we exit: it is the parent of everything."""

    def __init__(self, channel: socket.socket, handle: Callable[[dict[str, Any]], None]) -> None:
        self._channel = channel
        self._handle = handle
        self._outbox: deque[bytes] = deque()
        self._loop = asyncio.get_running_loop()
        channel.setblocking(False)

    def listen(self) -> None:
        """Hands on what the warden says, from now on; what it has said before waits in the pipe."""
        self._loop.add_reader(self._channel, self._readable)

    def send(self, op: str, **fields: Any) -> None:
        """Raises packets.PacketError, naming the largest field, for a message over the limit."""
        data = _encode({"op": op, **fields})
        try:
            packets.check(data)
        except packets.PacketError as error:
            size, name = max((len(_encode(value)), name) for name, value in fields.items())
            raise packets.PacketError(f"{op}: {error}; {name!r} has {size}") from None
        self._outbox.append(data)
        if len(self._outbox) == 1:
            self._flush()

    def _flush(self) -> None:
        while self._outbox:
            try:
                packets.send(self._channel, self._outbox[0])
            except BlockingIOError:
                self._loop.add_writer(self._channel, self._flush)
                return
            except (BrokenPipeError, ConnectionResetError):
                os._exit(0)
            except OSError as error:
                # No file in memory can be had. What was asked does not happen; the pool's own deadlines notice.
                _note(f"the warden cannot be told {self._outbox[0][:100]!r}: {error.strerror}")
            self._outbox.popleft()
        self._loop.remove_writer(self._channel)

    def _readable(self) -> None:
        try:
            data, descriptors = packets.receive(self._channel, 2)
        except BlockingIOError:
            return
        except packets.PacketError as error:
            _note(f"a message of the warden is dropped: {error}")
            return
        except OSError:
            os._exit(0)
        if not data:
            os._exit(0)
        message = msgspec.json.decode(data)
        if len(descriptors) == 2:
            message["talk"] = Ends(*descriptors)
        elif descriptors:
            message["listener"] = descriptors[0]
        self._handle(message)


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def first_message(channel: socket.socket) -> dict[str, Any]:
    """Waits for the first message that the warden sends to a new server."""
    data, _ = packets.receive(channel, wait=True)
    message: dict[str, Any] = msgspec.json.decode(data)
    return message
