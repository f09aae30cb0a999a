"""Commands about text: embeddings and a text generator, both small, both what they say they are."""

from __future__ import annotations

import random
import secrets
from typing import Any

from snakepit_bridge.adapters.base import command
from snakepit_bridge.adapters.showcase import embedding, markov
from snakepit_bridge.context import CallContext

__all__ = ["TextCommands", "generated"]

_MOST_TEXTS, _MOST_CHARACTERS, _MOST_DIMENSIONS, _MOST_WORDS = 10_000, 100_000, 4096, 10_000
TEMPERATURE = 0.7


class TextCommands:
    """generate_embeddings, generate_text."""

    @command
    def generate_embeddings(
        self, texts: list[str], model: str | None = None, dimensions: int = embedding.DIMENSIONS
    ) -> dict[str, Any]:
        """Vectors of texts, by hashed n-grams of characters: no model is loaded, and meaning plays no part.

        Texts that share words or parts of words are near each other. Vectors have the length 1, and the same text has
        the same vector everywhere.

        Args:
            texts: At most 10,000 texts.
            model: Not loaded, whatever it is; the answer says what was done instead.
            dimensions: Numbers of a vector, 1 to 4096.
        """
        if not 1 <= dimensions <= _MOST_DIMENSIONS:
            raise ValueError(f"dimensions must be from 1 to {_MOST_DIMENSIONS}, not {dimensions}")
        if len(texts) > _MOST_TEXTS:
            raise ValueError(f"{len(texts)} texts are too many: at most {_MOST_TEXTS}")
        for number, text in enumerate(texts):
            if not isinstance(text, str) or len(text) > _MOST_CHARACTERS:
                raise ValueError(f"texts[{number}] must be a string of at most {_MOST_CHARACTERS} characters")
        answer: dict[str, Any] = {
            "embeddings": [embedding.embed(text, dimensions) for text in texts],
            "model": embedding.NAME,
            "dimensions": dimensions,
            "count": len(texts),
        }
        if model not in (None, embedding.NAME):
            answer["note"] = f"{model} was not loaded: these are hashed n-grams of characters"
        return answer

    @command
    def generate_text(
        self,
        prompt: str,
        max_tokens: int = 50,
        temperature: float | None = None,
        seed: int | None = None,
        *,
        ctx: CallContext,
    ) -> dict[str, Any]:
        """Words that a Markov chain of order 2 has learned from a page about pools: grammar now and then, no sense.

        Args:
            prompt: The last word of it that the page has, too, is where the text begins.
            max_tokens: At most this many words.
            temperature: How much chance has to say, from 0; else the session's variable `temperature`, else 0.7.
            seed: The same seed gives the same text.
        """
        if not 1 <= max_tokens <= _MOST_WORDS:
            raise ValueError(f"max_tokens must be from 1 to {_MOST_WORDS}, not {max_tokens}")
        if temperature is None:
            temperature = _of_session(ctx)
        words = generated(prompt, max_tokens, temperature, seed)
        return {"text": " ".join(words), "tokens": len(words), "model": markov.NAME, "temperature": temperature}


def generated(prompt: str, most: int, temperature: float, seed: int | None = None) -> list[str]:
    """The words. Raises ValueError."""
    if isinstance(temperature, bool) or not isinstance(temperature, (int, float)) or not 0 <= temperature <= 100:
        raise ValueError(f"temperature must be a number from 0 to 100, not {temperature!r}")
    source = random.Random(secrets.randbits(64) if seed is None else seed)  # noqa: S311 - nothing secret depends on it
    return markov.of_corpus().write(prompt, most, temperature, source)


def _of_session(ctx: CallContext) -> Any:
    return ctx.session["temperature"] if ctx.session_id and "temperature" in ctx.session else TEMPERATURE
