"""The front socket. The warden holds it: while the door is shut, clients wait in its queue for the next server."""

from __future__ import annotations

import asyncio
import select
import socket
import sys
from collections.abc import Callable
from typing import Any

_OURS_TO_REMOVE: dict[str, Any] = {} if sys.version_info < (3, 13) else {"cleanup_socket": False}
"""From 3.13 on a server that closes removes its socket's name, which is the warden's."""


class Door:
    """Shut to begin with. `protocol` makes the protocol of a client's connection."""

    def __init__(self, protocol: Callable[[], asyncio.Protocol]) -> None:
        self._protocol = protocol
        self._listeners: list[socket.socket] = []
        self._servers: list[asyncio.Server] = []
        self._is_open = False

    async def add(self, listener: socket.socket) -> None:
        """Clients come by this socket, too: the name of the others may have been removed."""
        self._listeners.append(listener)
        if self._is_open:
            await self._serve(listener)

    async def open(self, *more: socket.socket) -> None:
        self._listeners += more
        self._is_open = True
        for listener in self._listeners:
            await self._serve(listener)

    async def _serve(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        # A server closes its socket when it ends, so each has a copy.
        copy = listener.dup()
        self._servers.append(await loop.create_unix_server(self._protocol, sock=copy, **_OURS_TO_REMOVE))

    def shut(self) -> None:
        """Takes no new connections from now on."""
        self._is_open = False
        for server in self._servers:
            server.close()
        self._servers.clear()

    def knocked(self) -> bool:
        """Whether a client waits."""
        waiting = select.poll()
        for listener in self._listeners:
            waiting.register(listener, select.POLLIN)
        return bool(waiting.poll(0))
