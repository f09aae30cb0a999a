"""Reads and checks the configuration file."""

from __future__ import annotations

import os
import stat
import tomllib
from typing import Any

import msgspec

from snakepit_cli.base import paths
from snakepit_cli.base.errors import PitError
from snakepit_cli.settings import faults, merge
from snakepit_cli.settings.schema import Settings
from snakepit_cli.settings.tables import File, convert

_MOST = 1 << 20
"""Bytes of the file."""


def load() -> Settings:
    """The settings of the file, or the defaults when there is none.

    Raises PitError `invalid_configuration` that names the file, the line where it can be found, and the setting.
    """
    path = paths.config_file()
    if path is None:
        return Settings()
    text, data = _read(path)
    try:
        lines = faults.lines(text)
        return merge.settings(_checked(data, lines), os.path.abspath(path), lines)
    except _WrongError as wrong:
        place = path if wrong.line is None else f"{path}:{wrong.line}"
        raise PitError("invalid_configuration", f"{place}: {wrong}") from None


class _WrongError(Exception):
    def __init__(self, line: int | None, text: str) -> None:
        super().__init__(text)
        self.line = line


def _read(path: str) -> tuple[str, dict[str, Any]]:
    """Raises PitError."""
    try:
        # Opening or reading a FIFO or a device could block without end.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            if not _is_regular(os.fstat(file.fileno())):
                raise PitError("invalid_configuration", f"{path}: must be a regular file")
            raw = file.read(_MOST + 1)
        if len(raw) > _MOST:
            raise PitError("invalid_configuration", f"{path}: has more than {_MOST:,} bytes")
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
        return text, tomllib.loads(text)
    except OSError as error:
        raise PitError("invalid_configuration", f"{path}: {error.strerror}") from None
    except ValueError as error:  # not TOML, or not UTF-8
        raise PitError("invalid_configuration", f"{path}: {error}") from None
    except RecursionError:
        raise PitError("invalid_configuration", f"{path}: nested too deeply") from None


def _is_regular(found: os.stat_result) -> bool:
    """Or the null device, which stands for an empty file."""
    return stat.S_ISREG(found.st_mode) or found.st_rdev == os.stat(os.devnull).st_rdev


def _checked(data: dict[str, Any], lines: dict[faults.Path, int]) -> File:
    try:
        file: File = convert(data, File)
    except (msgspec.ValidationError, RecursionError):
        raise _WrongError(*faults.explain(data, lines)) from None
    return file
