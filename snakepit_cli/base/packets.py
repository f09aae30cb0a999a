"""Packets between warden, server and templates: one message, one packet of a SOCK_SEQPACKET socket.

A socket cuts a packet that its reader has no room for, and refuses one that its buffer cannot hold. So there is one
limit for a packet, checked before it is sent, and a larger message travels in a file in memory: the packet is then
IN_FILE, and its last descriptor is the file. That keeps a message whole or absent, and needs no state between packets.
"""

from __future__ import annotations

import os
import socket
from array import array
from collections.abc import Sequence

PACKET = 1 << 16
"""Bytes that a packet may have."""
MESSAGE = 16 << 20
"""Bytes that a message may have."""
IN_FILE = b'{"in_file": true}'


class PacketError(ValueError):
    """A message is too large to be sent, or what came is not what was sent."""


def send(channel: socket.socket, data: bytes, descriptors: Sequence[int] = ()) -> None:
    """Never waits. Raises PacketError for a message over the limit, and OSError.

    BlockingIOError: the other side does not read; nothing was sent.
    """
    if len(data) <= PACKET:
        _send(channel, data, descriptors)
        return
    check(data)
    with open(os.memfd_create("snakepit-message"), "wb") as file:
        file.write(data)
        file.flush()
        _send(channel, IN_FILE, [*descriptors, file.fileno()])


def _send(channel: socket.socket, data: bytes, descriptors: Sequence[int]) -> None:
    # socket.send_fds and socket.recv_fds ignore their flags.
    along = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", descriptors))] if descriptors else []
    channel.sendmsg([data], along, socket.MSG_DONTWAIT)


def check(data: bytes) -> None:
    """Raises PacketError when it is too large for one message."""
    if len(data) > MESSAGE:
        raise PacketError(f"a message may have {MESSAGE} bytes, not {len(data)}")


def receive(channel: socket.socket, most: int = 0, *, wait: bool = False) -> tuple[bytes, list[int]]:
    """The next message and at most `most` descriptors; b"" at the end. The caller closes the descriptors.

    Raises PacketError for a packet that was cut or whose descriptors could not be taken, and OSError.
    """
    flags = socket.MSG_CMSG_CLOEXEC | (0 if wait else socket.MSG_DONTWAIT)
    taken = array("i")
    data, along, said, _ = channel.recvmsg(PACKET, socket.CMSG_LEN((most + 1) * taken.itemsize), flags)
    for _, _, numbers in along:
        taken.frombytes(numbers[: len(numbers) - len(numbers) % taken.itemsize])
    descriptors = list(taken)
    try:
        if said & socket.MSG_TRUNC:
            raise PacketError(f"a packet may have {PACKET} bytes; one with more was cut")
        if said & socket.MSG_CTRUNC:
            raise PacketError("the descriptors of a packet were lost: too many files are open")
        if data == IN_FILE:
            data = _whole(descriptors)
        if len(descriptors) > most:
            raise PacketError(f"a packet may carry {most} descriptors, not {len(descriptors)}")
    except BaseException:
        for descriptor in descriptors:
            os.close(descriptor)
        raise
    return data, descriptors


def _whole(descriptors: list[int]) -> bytes:
    if not descriptors:
        raise PacketError("a message has no file")
    with open(descriptors.pop(), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > MESSAGE:
            raise PacketError(f"a message may have {MESSAGE} bytes, not {size}")
        return os.pread(file.fileno(), size, 0)
