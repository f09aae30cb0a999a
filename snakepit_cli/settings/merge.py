"""Tables of a file become settings: defaults filled in, paths absolute, common limits in each pool, origins kept."""

from __future__ import annotations

import os
from collections.abc import Mapping

import msgspec

from snakepit_cli.base import reference
from snakepit_cli.settings.faults import Path
from snakepit_cli.settings.schema import AdapterSettings, PoolSettings, SessionSettings, Settings
from snakepit_cli.settings.tables import AdapterTable, File, LimitsTable, PoolTable, ServerTable, SessionTable


def settings(file: File, path: str, lines: Mapping[Path, int]) -> Settings:
    """`path` is the file's, absolute; `lines` says where in it each setting is."""
    folder, common = os.path.dirname(path), _numbers(file.limits)
    return Settings(
        **_numbers(file.server),  # type: ignore[arg-type]
        session=SessionSettings(**_numbers(file.session)),  # type: ignore[arg-type]
        pools={name: _pool(one, common, folder) for name, one in file.pools.items()},
        limits=common,
        adapters={name: _adapter(one, folder) for name, one in file.adapters.items()},
        origins={".".join(name): f"{path}:{line}" for name, line in lines.items()},
    )


def _numbers(table: ServerTable | SessionTable | LimitsTable) -> dict[str, int | float]:
    """Those that the file names."""
    said = msgspec.structs.asdict(table).items()
    return {name: value if type(value) is int else float(value) for name, value in said if value is not msgspec.UNSET}


def _pool(table: PoolTable, common: Mapping[str, int | float], folder: str) -> PoolSettings:
    python = table.python
    pool = PoolSettings(
        adapter=reference.absolute(table.adapter, folder),
        spare=table.spare,
        capacity=table.capacity,
        contain=table.contain,
        python=_absolute(python, folder) if python and os.sep in python else python,
        env={**table.env, **_told(table)},
        limits={**common, **_numbers(table.limits)},
        folder=folder if reference.is_located(table.adapter) else None,
    )
    return pool if table.size is None else msgspec.structs.replace(pool, size=table.size)


def _told(table: PoolTable) -> dict[str, str]:
    """Variables by which the bridges learn what is theirs to do."""
    told = {
        "SNAKEPIT_UNSERIALIZABLE": "" if table.unserializable == "refuse" else table.unserializable,
        "SNAKEPIT_ADAPTER_OBJECT": "" if table.instance == "worker" else table.instance,
        "SNAKEPIT_MODULES": ",".join(table.modules),
    }
    return {name: value for name, value in told.items() if value}


def _adapter(table: AdapterTable, folder: str) -> AdapterSettings:
    script = () if table.script is None else (os.path.normpath(_absolute(table.script, folder)),)
    program = table.executable
    return AdapterSettings(
        executable=os.path.join(folder, program) if os.sep in program else program,
        args=(*script, *table.args),
        dialect=table.dialect,
        directory=None if table.directory is None else os.path.normpath(_absolute(table.directory, folder)),
        env=table.env,
        commands=None if table.commands is None else tuple(table.commands),
        timeouts={name: float(one) for name, one in table.timeouts.items()},
        required={name: tuple(one) for name, one in table.required.items()},
        schemas=table.schemas,
    )


def _absolute(path: str, folder: str) -> str:
    return os.path.join(folder, os.path.expanduser(path))
