"""Answers that are rows already, but for the names in them: numbers, words, truth values, in the order of the columns.

Most answers are like that. They are checked many at once, and then the names are taken out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from json.encoder import encode_basestring

_NUMBER = rb"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?+[0-9]++)?+"


class PlainAnswers:
    """Makes rows of lines, each with an empty field at its end. `names` None: answers are no objects."""

    def __init__(self, names: Sequence[str] | None, separator: str) -> None:
        apart = separator.encode()
        # No text that has a quote, a line break or a separator in it: so nothing of what is taken out is in a text.
        value = rb'(?:"[^"\\\x00-\x1f%b]*+"|%b|true|false)' % (apart, _NUMBER)
        keys = [] if names is None else [encode_basestring(name).encode() + b":" for name in names]
        heads = [b"," + key for key in keys]
        heads[:1] = [b"{" + key for key in keys[:1]]
        row = b"".join(re.escape(head) + value for head in heads) + rb"\}" if keys else value
        self._rows = re.compile(b"(?:%b\n)*+" % row)
        self._changes = [(head, apart if number else b"") for number, head in enumerate(heads)]
        self._changes += [(b"}\n" if keys else b"\n", apart + b"\n"), (b'"', b"")]

    def rows(self, lines: bytes) -> bytes | None:
        """None when one of them has to be looked at."""
        if not self._rows.fullmatch(lines):
            return None
        for old, new in self._changes:
            lines = lines.replace(old, new)
        return lines
