"""A reference to a range of a file, which stands for the bytes in it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from snakepit_cli.wire import worker_pb2 as pb

Number = Annotated[int, Meta(ge=0, le=(1 << 63) - 1, description="a whole number, at least 0")]
AbsolutePath = Annotated[str, Meta(pattern=r"^/[^\x00]*$", description="an absolute path")]


class Reference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`length` bytes from `offset` on of the regular file with this device and inode."""

    path: AbsolutePath
    device: Number
    inode: Number
    offset: Number
    length: Number

    def message(self) -> pb.Reference:
        return pb.Reference(
            path=self.path, device=self.device, inode=self.inode, offset=self.offset, length=self.length
        )


ReferenceField = Annotated[
    Reference,
    Meta(description="a reference: an absolute `path`, and `device`, `inode`, `offset` and `length`, whole numbers"),
]
"""A reference as a header holds it."""


def from_message(ref: pb.Reference) -> Reference:
    return Reference(ref.path, ref.device, ref.inode, ref.offset, ref.length)
