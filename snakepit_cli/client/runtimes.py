"""Whether the runtime of a pool's language can be used: asked here, because the server starts no process."""

from __future__ import annotations

from collections.abc import Mapping

from snakepit_cli.base.errors import PitError
from snakepit_cli.base.reference import LANGUAGES


def check(pool: str, adapter: str | None, environ: Mapping[str, str]) -> None:
    """Raises PitError when the runtime of the adapter is missing, too old, or does not run."""
    adapter = adapter or _configured(pool)
    language = adapter.partition(":")[0]
    if language in LANGUAGES:
        from snakepit_cli.launch import manifest

        manifest.load(language).usable(environ)


def _configured(pool: str) -> str:
    from snakepit_cli.settings import load

    try:
        said = load.load().pool(pool)
    except PitError:
        return ""  # the server says so, if it matters
    return "" if said is None else said.adapter
