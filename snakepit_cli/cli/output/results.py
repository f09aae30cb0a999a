"""What a call brings to stdout: its result, or its chunks one per line. Light: the fast path comes here, too."""

from __future__ import annotations

import os
from _socket import socket
from collections.abc import Callable

from snakepit_cli.client.call.call import Talk, is_message, write, write_line
from snakepit_cli.client.call.request import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from snakepit_cli.cli.output.json_path import Picker
    from snakepit_cli.client.call.call import Result
    from snakepit_cli.client.call.state_query import StateQuery


def converse(
    sock: socket,
    request: Request,
    seen: Callable[[bytes], None] | None = None,
    leave: Callable[[int], object] = os._exit,
) -> int:
    """Exit code. `seen` is told each block of chunks after it was written, and shows progress.

    Raises what `Talk.run` raises, PitError.
    """

    picker = _picker(request) if request.stream else None

    def chunks(data: bytes | memoryview) -> None:
        if data[:1] == b"\0":
            show_chunk(request, data, picker)
        else:
            write(shown(data if picker is None else picker.lines(bytes(data)), request))

    talk = Talk(sock, request, chunks, leave) if seen is None else _beside(sock, request, chunks, seen, leave)
    body = talk.run()
    if body is None:
        return 130
    if picker is not None:
        picker.end()
    elif not request.stream:
        show_call(request, body)
    return 0


def _beside(
    sock: socket, request: Request, chunks: Callable[[bytes | memoryview], None], seen: Callable[[bytes], None],
    leave: Callable[[int], object],
) -> Talk:  # fmt: skip
    """A stream whose progress is shown, perhaps on the terminal to which its chunks go."""
    from snakepit_cli.cli.output import live, messages

    def both(data: bytes | memoryview) -> None:
        if os.isatty(1):
            with live.aside():
                chunks(data)
        else:
            chunks(data)
        seen(_json_of(data))

    def say(text: str) -> None:
        messages.err(text.lstrip("\n") if live.active() else text)

    return Talk(sock, request, both, leave, say)


def show_chunk(request: Request, body: bytes | memoryview, picker: Picker | None = None) -> None:
    """A chunk with parts."""
    from snakepit_cli.cli.output import parts

    parts.show_chunk(request, body, picker)


def _json_of(data: bytes | memoryview) -> bytes:
    """Chunks as JSON lines, with or without their parts."""
    if data[:1] != b"\0":
        return bytes(data)
    from snakepit_cli.cli.output import parts

    return parts.json_of(data)


def show_call(request: Request, body: Result) -> None:
    """As `show`, for a call: its result may be a message with parts, or go into a file."""
    if not is_message(body) and request.output_file is None:
        show(request, body)
        return
    from snakepit_cli.cli.output import parts

    whole = body if isinstance(body, (bytes, memoryview)) else body.view()
    if request.output_file is None:
        parts.show(request, whole)
    else:
        parts.save(request, whole)


def show(request: Request | StateQuery, body: Result) -> None:
    """A whole result, or the part of it that is asked for."""
    if request.field is not None or request.raw:
        from snakepit_cli.cli.output.json_path import pick

        write_line(shown(pick(bytes(body).decode(errors="replace"), request.field, raw=request.raw), request))
    elif not os.isatty(1):
        write_line(body)
    elif request.json:
        write_line(shown(bytes(body), request))
    else:
        from snakepit_cli.cli.output.pretty import pretty

        write(pretty(bytes(body), request.shared.color))


def shown(data: bytes | memoryview, request: Request | StateQuery) -> bytes | memoryview:
    """What a terminal may see of it; whatever else reads it gets it as it is."""
    if not os.isatty(1):
        return data
    from snakepit_cli.cli.output.terminal import clean, escape_json

    text = bytes(data).decode(errors="replace")
    return (clean(text) if request.raw else escape_json(text)).encode(errors="replace")


def _picker(request: Request) -> Picker | None:
    if request.field is None and not request.raw:
        return None
    from snakepit_cli.cli.output.json_path import Picker

    return Picker(request.field, raw=request.raw)
