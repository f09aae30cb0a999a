"""From an adapter reference to a class.

    showcase, python        a short name
    package.module:Class    or package.module.Class
    path/to/file.py:Class   or path/to/file.py, when the file defines exactly one adapter
    name                    as an installed package registers it: entry point group `snakepit.adapters`

each with an optional `python:` in front.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import zlib
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, FunctionType, ModuleType
from typing import Any, Callable, NoReturn

from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.adapters.base import BaseAdapter, command
from snakepit_bridge.describe import commands_of, has_commands, is_hooks
from snakepit_bridge.failures import Refusal, did_you_mean, failure, from_exception
from snakepit_bridge.hosts import dispatch, handlers

__all__ = ["no_commands", "own_argv", "resolve"]

SHORT_NAMES = {
    "showcase": "snakepit_bridge.adapters.showcase:ShowcaseAdapter",
    "python": "snakepit_bridge.adapters.modules:ModulesAdapter",
}
GROUP = "snakepit.adapters"
"""Entry points by which packages register adapters."""
_NOT_FOUND = pb.Failure.Kind.ADAPTER_NOT_FOUND
_FAILED = pb.Failure.Kind.ADAPTER_FAILED


def _hosted_hooks(cls: type) -> type:
    from snakepit_bridge.adapters.hooks import hosted

    return hosted(cls)


_HOSTS: tuple[tuple[Callable[[type], bool], Callable[[type], type]], ...] = (
    (is_hooks, _hosted_hooks),
    (handlers.is_handler, handlers.hosted),
    (dispatch.is_dispatcher, dispatch.hosted),
)
"""Classes of other shapes, and what makes adapters of them."""


def no_commands(cls: type) -> str:
    """What to say of a class that nothing can be called of."""
    return f"{cls.__name__} has no commands: write @command above the methods that are to be called"


def own_argv(reference: str) -> None:
    """What the adapter finds in `sys.argv`: its own name, and none of the bridge's words."""
    sys.argv[:] = [reference]


def resolve(reference: str, cwd: str | None = None) -> type:
    """The adapter class. Raises Refusal: not found, or whatever the user's code raised."""
    text = reference.removeprefix("python:")
    text = SHORT_NAMES.get(text, text)
    where, colon, name = text.rpartition(":") if ":" in text else (text, "", "")
    cwd = cwd or os.getcwd()
    if where.endswith(".py") or os.sep in where:
        module = _load_file(os.path.join(cwd, os.path.expanduser(where)))
        cls = _named(module, name) if colon else _only_adapter(module)
    else:
        _put_first(cwd)
        if not colon:
            where, _, name = where.rpartition(".")
        cls = _named(_import(where), name) if where and name else _installed(text)
    try:
        for fits, host in _HOSTS:
            if fits(cls):
                cls = host(cls)
        commands_of(cls)
    except Exception as error:
        raise Refusal(from_exception(error, _FAILED)) from error
    return cls


def _installed(name: str) -> type:
    """The adapter that a package of this interpreter has registered under the name."""
    from importlib import metadata

    found: Any = metadata.entry_points()
    # Python 3.9 gives a dict of lists.
    ours = found.select(group=GROUP) if hasattr(found, "select") else found.get(GROUP, [])
    registered = {one.name: one for one in ours}
    if name not in registered:
        _refuse_reference(name, list(registered))
    try:
        return _class(registered[name].load(), f"entry point {name} ({registered[name].value})")
    except (Exception, SystemExit) as error:
        raise Refusal(from_exception(error, _FAILED)) from error


def _class(found: object, where: str) -> type:
    if not isinstance(found, type):
        raise TypeError(f"{where} is not a class")
    return found


def _refuse_reference(reference: str, registered: list[str]) -> NoReturn:
    hint = did_you_mean(reference, [*SHORT_NAMES, *registered])
    forms = "write package.module:Class, path/to/file.py:Class, or showcase"
    raise Refusal(failure(_NOT_FOUND, f"no adapter `{reference}`{hint or '; ' + forms}"))


def _put_first(folder: str) -> None:
    if sys.path[:1] != [folder]:
        sys.path.insert(0, folder)
    _compile_anew(folder)


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing and (name == missing or name.startswith(missing + ".")):
            message = f"no module `{missing}` (looked in {sys.path[0]} and the interpreter's packages)"
            raise Refusal(failure(_NOT_FOUND, message)) from error
        raise Refusal(from_exception(error, _FAILED)) from error
    except (Exception, SystemExit) as error:
        raise Refusal(from_exception(error, _FAILED)) from error


class _Fresh(SourceFileLoader):
    """Compile the file as it is now.

    Cached bytecode is taken for current when the second of the file's time and its size are the same: a file that is
    saved twice in a second would be loaded in its old form, after a restart that was asked for because it changed.
    """

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


class _Beside:
    """Finds modules as Python does, and has those beside the adapter compiled as they are now."""

    def __init__(self) -> None:
        self.folders: list[str] = []

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader and self._has(spec.origin or ""):
            spec.loader = _Fresh(name, spec.origin or "")
        return spec

    def _has(self, file: str) -> bool:
        return any(file.startswith(folder) and "site-packages" not in file[len(folder) :] for folder in self.folders)


_beside = _Beside()


def _compile_anew(folder: str) -> None:
    """Modules below this folder, but not packages that are installed there."""
    folder = os.path.join(os.path.abspath(folder), "")
    if folder not in _beside.folders:
        _beside.folders.append(folder)
    if _beside not in sys.meta_path:
        at = sys.meta_path.index(PathFinder) if PathFinder in sys.meta_path else len(sys.meta_path)
        sys.meta_path.insert(at, _beside)


def _load_file(path: str) -> ModuleType:
    path = os.path.abspath(path)
    if not os.path.isfile(path):
        folder, base = os.path.split(path)
        siblings = [one for one in os.listdir(folder) if one.endswith(".py")] if os.path.isdir(folder) else []
        raise Refusal(failure(_NOT_FOUND, f"no file {path}{did_you_mean(base, siblings)}"))
    _put_first(os.path.dirname(path))
    name = os.path.splitext(os.path.basename(path))[0]
    if not name.isidentifier() or name in sys.modules:
        name = f"snakepit_adapter_{zlib.crc32(path.encode()):08x}"
    loader = _Fresh(name, path)
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    if spec is None:
        raise Refusal(failure(_NOT_FOUND, f"{path} is not a Python file"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise Refusal(from_exception(error, _FAILED)) from error
    return module


def _named(module: ModuleType, name: str) -> type:
    found = getattr(module, name, None)
    if isinstance(found, type):
        return found
    place = getattr(module, "__file__", None) or module.__name__
    if found is not None:
        raise Refusal(failure(_NOT_FOUND, f"`{name}` in {place} is not a class"))
    classes = [key for key, value in vars(module).items() if isinstance(value, type)]
    own = [key for key in classes if vars(module)[key].__module__ == module.__name__]
    hint = did_you_mean(name, classes) or (f"; it has {', '.join(own[:20])}" if own else "")
    raise Refusal(failure(_NOT_FOUND, f"no class `{name}` in {place}{hint}"))


def _only_adapter(module: ModuleType) -> type:
    own = [one for one in vars(module).values() if isinstance(one, type) and one.__module__ == module.__name__]
    own = list(dict.fromkeys(own))
    adapters = [one for one in own if issubclass(one, BaseAdapter)] or [
        one for one in own if has_commands(one) or any(fits(one) for fits, _ in _HOSTS)
    ]
    if len(adapters) == 1:
        return adapters[0]
    if not adapters and (functions := _functions(module)):
        return type(module.__name__, (BaseAdapter,), {name: staticmethod(one) for name, one in functions.items()})
    if not adapters:
        raise Refusal(failure(_NOT_FOUND, f"{module.__file__} defines no adapter class and no public function"))
    names = ", ".join(one.__name__ for one in adapters)
    raise Refusal(failure(_NOT_FOUND, f"{module.__file__} defines several adapters ({names}): add :Class"))


def _functions(module: ModuleType) -> dict[str, FunctionType]:
    """The public functions that a file without an adapter class defines: its commands."""
    found = {
        name: one
        for name, one in vars(module).items()
        if isinstance(one, FunctionType) and one.__module__ == module.__name__ and not name.startswith("_")
    }
    for one in found.values():
        command(one)
    return found
