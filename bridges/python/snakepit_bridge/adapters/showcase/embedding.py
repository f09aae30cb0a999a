"""Embeddings without a model: hashed n-grams of characters."""

from __future__ import annotations

import math
import unicodedata
import zlib

__all__ = ["DIMENSIONS", "NAME", "embed"]

DIMENSIONS = 384
NAME = "hashed-ngrams-3-5"
_SIZES = (3, 4, 5)


def embed(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """A vector of length 1; of zeros for a text without letters.

    Each run of three to five characters adds 1 or -1 to the number that its checksum names. So texts that share
    words or parts of words are near each other, and meaning plays no part. The same text has the same vector on every
    machine.
    """
    words = " ".join(unicodedata.normalize("NFKC", text).lower().split())
    padded = f" {words} " if words else ""
    sums = [0.0] * dimensions
    for size in _SIZES:
        for start in range(len(padded) - size + 1):
            digest = zlib.crc32(padded[start : start + size].encode("utf-8", "surrogatepass"))
            place, sign = digest % dimensions, digest // dimensions & 1
            sums[place] += 1.0 if sign else -1.0
    length = math.sqrt(sum(one * one for one in sums))
    return [one / length for one in sums] if length else sums
