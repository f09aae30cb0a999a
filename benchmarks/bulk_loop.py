"""What a worker of a peer does: one line with orjson, or a list of lines with the quickest loop that we know."""

from __future__ import annotations

import msgspec
import orjson
from snakepit_bridge.adapters.showcase.adapter import ShowcaseAdapter

_compute = ShowcaseAdapter().compute
_decode, _encode = msgspec.json.Decoder().decode, msgspec.json.Encoder().encode


def one(line: bytes) -> bytes:
    answer: bytes = orjson.dumps(_compute(**orjson.loads(line)))
    return answer


def many(lines: list[bytes]) -> bytes:
    return b"".join([_encode(_compute(**_decode(line))) + b"\n" for line in lines])
