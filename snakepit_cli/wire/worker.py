"""Messages of the worker contract as bytes."""

from __future__ import annotations

from google.protobuf.message import DecodeError

from snakepit_cli.wire import worker_pb2 as pb


class MalformedError(Exception):
    """The bytes are not a message of the contract."""


def from_worker(data: bytes) -> pb.FromWorker:
    """Raises MalformedError."""
    try:
        return pb.FromWorker.FromString(data)
    except DecodeError:
        raise MalformedError("not a FromWorker message") from None
