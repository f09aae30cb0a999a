"""Frames of the front socket, described in docs/reference/front-protocol.md.

    frame    kind (1 byte) · length of what follows (4 bytes, big-endian) · id (4 bytes, big-endian) · body

The id is chosen by the client, one for each request on a connection; answers carry it back. Imports only
`_json` at first, because the fast path speaks it too.
"""

from __future__ import annotations

from _json import encode_basestring_ascii as _quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snakepit_cli.base.errors import PitError

HEADER = 9
"""Bytes before the body."""
MOST_BATCH = 1 << 16
"""Items that a handler may be given at once."""
LONGEST = (1 << 32) - 5
"""Bytes of a body: its length has four bytes, and counts the id."""
LONGEST_ARGUMENTS = LONGEST - (1 << 20)
"""Bytes of arguments, so that there is room for the header before them."""

CALL = 0x43  # C  header line (JSON) "\n" arguments (JSON)
QUERY = 0x51  # Q  JSON {"op": …, …}
CANCEL = 0x58  # X  empty
RESULT = 0x52  # R  JSON; ends a request
CHUNKS = 0x4B  # K  JSON texts, each followed by "\n"
ANSWERS = 0x4D  # M  how many of the lines are failures, which, then the lines: see `answers_body`
NOTE = 0x4E  # N  text for the user; the request goes on
ERROR = 0x45  # E  JSON of PitError.as_dict; ends a request
RESULT_REF = 0x72  # r  JSON of a reference to the result; ends a request
CHUNKS_REF = 0x6B  # k  JSON of a reference to chunks
ANSWERS_REF = 0x6D  # m  as ANSWERS, but instead of the lines how many they are and a reference: see `answers_ref_body`
RELEASE = 0x46  # F  path of a segment that was referred to and has been read


def frame(kind: int, request: int, body: bytes) -> bytes:
    """Raises PitError `invalid_arguments` for a body that is too long."""
    if len(body) > LONGEST:
        raise too_long("the message has", len(body), LONGEST)
    return b"%c%b%b%b" % (kind, (len(body) + 4).to_bytes(4, "big"), request.to_bytes(4, "big"), body)


def too_long(what: str, size: int, most: int = LONGEST_ARGUMENTS) -> PitError:
    from snakepit_cli.base.errors import PitError

    text = f"{what} {size:,} bytes; at most {most:,} can be sent in a message"
    return PitError("invalid_arguments", text, hint="pass the names of files instead")


def head(kind: int, request: int, size: int) -> bytes:
    """The bytes before a body of this length."""
    return b"%c%b%b" % (kind, (size + 4).to_bytes(4, "big"), request.to_bytes(4, "big"))


def answers_body(lines: bytes, failed: Sequence[int]) -> bytes:
    """Body of ANSWERS: answers to items of a block; `failed` are the positions (0 is the first) of failures."""
    positions = b"".join(position.to_bytes(4, "big") for position in failed)
    return b"%b%b%b" % (len(failed).to_bytes(4, "big"), positions, lines)


def parse_answers(body: bytes) -> tuple[bytes, list[int]]:
    """The reverse: lines and positions of failures among them."""
    end = 4 + 4 * int.from_bytes(body[:4], "big")
    return body[end:], [int.from_bytes(body[at : at + 4], "big") for at in range(4, end, 4)]


def answers_ref_body(count: int, failed: Sequence[int], reference: bytes) -> bytes:
    """Body of ANSWERS_REF: `count` answers are in the range that `reference` (JSON) tells."""
    return answers_body(count.to_bytes(4, "big") + reference, failed)


def parse_answers_ref(body: bytes) -> tuple[int, list[int], bytes]:
    """The reverse: number of answers, positions of failures, reference."""
    rest, failed = parse_answers(body)
    return int.from_bytes(rest[:4], "big"), failed, rest[4:]


def block_members(items: int, *, item: str, text: bool, careful: bool, batch: int = 0, calls: bool = False) -> str:
    """Header fields of a call whose arguments are followed by a line break and this number of lines, each an item.

    `batch`: how many of them the handler takes at a time; 0 when it takes each by itself. `calls`: each is a call that
    could have come alone.
    """
    flags = (',"text":true' if text else "") + (',"careful":true' if careful else "")
    flags += (f',"batch":{batch}' if batch else "") + (',"calls":true' if calls else "")
    return f'"items":{items},"item":{_quote(item)}{flags}'


def call_body(
    command: str,
    args: bytes,
    *,
    version: str,
    cwd: str,
    pool: str | None = None,
    session: str | None = None,
    timeout: float | None = None,
    stream: bool = False,
    affinity: str | None = None,
    idempotent: bool = False,
    metadata: Mapping[str, str] | None = None,
    nan: str | None = None,
    tool: bool = False,
    binary: bool = False,
    references: bool = False,
    block: str = "",
) -> bytes:
    """Body of a CALL: what the server needs to know, a line break, then the arguments as they are.

    `binary`: the answer may be a message with parts.
    `block` is further header fields as JSON members, for bulk calls: see `block_members`.
    """
    head = [f'{{"version":{_quote(version)},"command":{_quote(command)},"cwd":{_quote(cwd)}']
    if pool is not None:
        head.append(f',"pool":{_quote(pool)}')
    if session is not None:
        head.append(f',"session":{_quote(session)}')
    if timeout is not None:
        head.append(f',"timeout":{timeout!r}')
    flags = (
        ("stream", stream),
        ("idempotent", idempotent),
        ("tool", tool),
        ("binary", binary),
        ("references", references),
    )
    for name, wanted in flags:
        if wanted:
            head.append(f',"{name}":true')
    if affinity is not None:
        head.append(f',"affinity":{_quote(affinity)}')
    if metadata:
        members = [f"{_quote(key)}:{_quote(value)}" for key, value in metadata.items()]
        head.append(f',"metadata":{{{",".join(members)}}}')
    if nan is not None:
        head.append(f',"nan":{_quote(nan)}')
    if block:
        head.append(f",{block}")
    head.append("}\n")
    return "".join(head).encode() + args
