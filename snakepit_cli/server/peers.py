"""Identifies the process at the other end of a Unix socket."""

from __future__ import annotations

import asyncio
import socket
import struct


def peer_uid(transport: asyncio.BaseTransport) -> int | None:
    """Uid of the process at the other end, as the kernel knows it; None where it cannot be asked."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    connection: socket.socket = transport.get_extra_info("socket")
    _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i")))
    return int(uid)
