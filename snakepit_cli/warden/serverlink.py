"""The control pipe between warden and server: JSON packets, never blocking the warden."""

from __future__ import annotations

import json
import socket
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from snakepit_cli.base.ends import Ends
from snakepit_cli.warden.loop import Loop

_PACKET = 1 << 18
_BUFFER = 1 << 20


def pair() -> tuple[socket.socket, socket.socket]:
    """Ours and the server's end, with room for a message about hundreds of workers."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
    return ours, theirs


class ServerLink:
    """Our end, for as long as one server lives. A stopped server fills its queue; we go on."""

    def __init__(self, loop: Loop, channel: socket.socket, handle: Callable[[dict[str, Any]], None]) -> None:
        self._loop = loop
        self._channel = channel
        self._handle = handle
        self._outbox: deque[tuple[bytes, Ends | None]] = deque()
        channel.setblocking(False)
        loop.watch(channel, self._ready)

    def send(self, message: Mapping[str, Any], along: Ends | None = None) -> None:
        """The descriptors `along` are handed over, and closed here."""
        self._outbox.append((json.dumps(message).encode(), along))
        if len(self._outbox) == 1:
            self._flush()

    def close(self) -> None:
        self._loop.forget(self._channel)
        self._channel.close()
        self._give_up()

    def _give_up(self) -> None:
        for _, along in self._outbox:
            if along is not None:
                along.close()
        self._outbox.clear()

    def _flush(self) -> None:
        while self._outbox:
            try:
                data, along = self._outbox[0]
                socket.send_fds(self._channel, [data], [] if along is None else [along.source, along.sink])
            except BlockingIOError:
                break
            except OSError:
                self._give_up()  # the server is gone; SIGCHLD says so too
                return
            self._outbox.popleft()
            if along is not None:
                along.close()
        self._loop.watch_writes(self._channel, self._ready, writes=bool(self._outbox))

    def _ready(self) -> None:
        if self._outbox:
            self._flush()
        try:
            data = self._channel.recv(_PACKET)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._loop.forget(self._channel)
            return
        self._handle(json.loads(data))
