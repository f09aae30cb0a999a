"""Errors as the server sends them."""

from __future__ import annotations

import json

from snakepit_cli.base.errors import PitError


def error_of(body: bytes) -> PitError:
    """The error that an error frame tells."""
    try:
        data = json.loads(body)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        return PitError("internal", f"the server answered with something that is not an error: {body[:200]!r}")
    return PitError.from_dict(data)
