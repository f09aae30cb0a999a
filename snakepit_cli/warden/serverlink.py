"""The control pipe between warden and server: JSON packets, never blocking the warden."""

from __future__ import annotations

import json
import os
import socket
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from snakepit_cli.base import packets
from snakepit_cli.base.pipe_pair import Ends
from snakepit_cli.warden.loop import Loop

_BUFFER = 1 << 20


def pair() -> tuple[socket.socket, socket.socket]:
    """Our end and the server's end, with buffers for a message about hundreds of workers. Raises OSError."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
    return ours, theirs


class ServerLink:
    """Our end, for the life of one server. Never blocks: a stopped server only fills its queue.

    A message that cannot be understood, sent or obeyed is noted and dropped: it ends nothing. `broken` is called when
    the pipe itself cannot be used any more.
    """

    def __init__(
        self, loop: Loop, channel: socket.socket, handle: Callable[[dict[str, Any]], None], *,
        note: Callable[[str], None], broken: Callable[[], None],
    ) -> None:  # fmt: skip
        self._loop = loop
        self._channel = channel
        self._handle = handle
        self._note = note
        self._outbox: deque[tuple[bytes, list[int]]] = deque()
        channel.setblocking(False)
        loop.watch(channel, self._ready, broken)

    def send(self, message: Mapping[str, Any], along: Ends | None = None, *, given: Sequence[int] = ()) -> None:
        """The descriptors `along` and `given` are handed over, and closed here."""
        descriptors = [*given] if along is None else [along.source, along.sink, *given]
        data = json.dumps(message).encode()
        try:
            packets.check(data)
        except packets.PacketError as error:
            self._note(f"the server is not told {message.get('event', 'of a pool')!r}: {error}")
            _close(descriptors)
            return
        self._outbox.append((data, descriptors))
        if len(self._outbox) == 1:
            self._flush()

    def close(self) -> None:
        self._loop.forget(self._channel)
        self._channel.close()
        self._give_up()

    def _give_up(self) -> None:
        for _, descriptors in self._outbox:
            _close(descriptors)
        self._outbox.clear()

    def _flush(self) -> None:
        while self._outbox:
            data, descriptors = self._outbox[0]
            try:
                packets.send(self._channel, data, descriptors)
            except BlockingIOError:
                break
            except OSError as error:
                # Mostly the server is gone, and SIGCHLD says so too.
                self._note(f"the server cannot be told anything: {error.strerror}")
                self._give_up()
                return
            self._outbox.popleft()
            _close(descriptors)
        self._loop.watch_writes(self._channel, writes=bool(self._outbox))

    def _ready(self) -> None:
        if self._outbox:
            self._flush()
        try:
            data, _ = packets.receive(self._channel)
        except BlockingIOError:
            return
        except packets.PacketError as error:
            self._note(f"a message of the server is dropped: {error}")
            return
        except OSError:
            data = b""
        if not data:
            self._loop.forget(self._channel)
            return
        try:
            self._handle(json.loads(data))
        except Exception:  # noqa: BLE001 - one bad message must not cost us the link to the server
            self._note(f"a message of the server is dropped: {data[:200]!r}\n{traceback.format_exc()}")


def _close(descriptors: Iterable[int]) -> None:
    for one in descriptors:
        os.close(one)
