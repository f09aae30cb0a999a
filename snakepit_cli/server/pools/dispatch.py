"""A call on its way to a worker."""

from __future__ import annotations

import msgspec

from snakepit_cli.base.errors import PitError
from snakepit_cli.server.calls import error_mapping
from snakepit_cli.server.calls.call import Call
from snakepit_cli.server.workers.worker_link import Link
from snakepit_cli.wire.binary import is_message


def refusal(call: Call, link: Link, pool: str) -> PitError | None:
    """Why a worker of this pool cannot have it; None when it can."""
    if call.header.batch and not link.runs_batches:
        return error_mapping.no_batches(pool)
    if link.protocol >= 2:
        return None
    if call.header.refers:
        return PitError("reference_failed", f"workers of pool {pool!r} take no references")
    return error_mapping.no_parts(call.header.command, pool) if is_message(call.args) else None


def send(call: Call, link: Link, seconds: float) -> None:
    """`seconds` are left for it."""
    header = call.header
    link.call(
        call.id, header.command, call.args, session=header.session or "", timeout=seconds,
        stream=header.stream, cwd=header.cwd, block=call.block,
        nan_is_null=header.nan == "null",
        args_ref=None if header.args_ref is None else header.args_ref.message(),
        takes_references=header.references and link.protocol >= 2,
        tool=header.tool,
        takes_parts=header.binary and header.items is None,
        metadata=b"" if header.metadata is None else msgspec.json.encode(header.metadata),
    )  # fmt: skip
