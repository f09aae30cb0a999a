"""Text from a Markov chain: the next word depends on the two before it."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

__all__ = ["NAME", "Chain", "of_corpus"]

NAME = "markov-2"
_CORPUS = Path(__file__).resolve().parent / "corpus.txt"
_ENDS = (".", "!", "?")


class Chain:
    """What follows each pair of words of a text, and how often."""

    def __init__(self, text: str) -> None:
        words = text.split()
        if len(words) < 3:
            raise ValueError("a text of at least three words is needed")
        self._after: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._pairs: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self._starts = [(words[0], words[1])]
        for first, second, third in zip(words, words[1:], words[2:]):
            self._after[first, second][third] += 1
            self._pairs[_bare(first)].append((first, second))
            if first.endswith(_ENDS):
                self._starts.append((second, third))

    def write(self, prompt: str, most: int, temperature: float, source: random.Random) -> list[str]:
        """At most so many words, from the last word of the prompt that the text has, too, or from any sentence on.

        The temperature is how much chance has to say: at 0 the most frequent word always follows.
        """
        known = next((self._pairs[word] for word in map(_bare, reversed(prompt.split())) if word in self._pairs), None)
        pair = source.choice(known or self._starts)
        written = list(pair)
        while len(written) < most and (following := self._after.get(pair)):
            word = _drawn(following, temperature, source)
            written.append(word)
            pair = (pair[1], word)
        return written[:most]


def _drawn(following: Counter[str], temperature: float, source: random.Random) -> str:
    words = sorted(following, key=lambda word: (-following[word], word))
    if temperature <= 0:
        return words[0]
    weights = [following[word] ** min(1.0 / temperature, 100.0) for word in words]
    return source.choices(words, weights)[0]


def _bare(word: str) -> str:
    return word.strip(".,;:!?\"'()").lower()


@cache
def of_corpus() -> Chain:
    """Of the text that is shipped: some 250 words about pools and workers."""
    return Chain(_CORPUS.read_text(encoding="utf-8"))
