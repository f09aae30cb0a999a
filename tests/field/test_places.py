"""Where a caller is, and whose files a worker writes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

import pytest

from tests.harness.pit import Pit

SAVE = """
{more}
from snakepit_bridge import BaseAdapter, CallContext, command
class Save(BaseAdapter):
    @command
    def save(self, name: str, ctx: CallContext):
        ctx.path(name).write_text("report")
"""
COLD = "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()"


@pytest.fixture(scope="module")
def pit() -> Iterator[Pit]:
    with Pit("[pools.default]\nsize = 1\n") as one:
        one.run("up", umask=0o027)
        yield one


@pytest.mark.parametrize(("how", "more"), [("warm", ""), ("cold", COLD)])
def test_files_of_a_handler_have_the_umask_of_whoever_called_up(pit: Pit, how: str, more: str) -> None:
    pit.adapter(SAVE.format(more=more), f"{how}.py")
    pit.run("up", how, "--adapter", f"{how}.py", "--size", "1", umask=0o022)
    pit.run("exec", "save", f"name={how}.txt", "--pool", how)
    assert stat.S_IMODE((pit.work / f"{how}.txt").stat().st_mode) == 0o644
    private = [pit.folder / "run", pit.folder / "state", *(pit.folder / "run").rglob("*.sock")]
    assert not [path for path in private if stat.S_IMODE(path.stat().st_mode) & 0o077]


def test_a_directory_whose_name_is_not_utf_8(pit: Pit) -> None:
    folder = os.fsencode(pit.work) + b"/caf\xe9"
    os.mkdir(folder)
    assert pit.run("exec", "ping", cwd=folder).returncode == 0
    assert pit.run("map", "echo", "--arg", "a", cwd=folder, input="1\n").stdout == '{"a":1}\n'
    pit.adapter(SAVE.format(more=""), "save.py")
    pit.run("up", "save", "--adapter", f"{pit.work}/save.py", "--size", "1", cwd=folder)
    done = pit.run("exec", "save", "name=a.txt", "--pool", "save", cwd=folder, check=False)
    assert "directory is not known" in done.stderr
    pit.run("exec", "save", f"name={pit.work}/b.txt", "--pool", "save", cwd=folder)


def test_a_variable_that_is_not_utf_8() -> None:
    with Pit("[pools.default]\nsize = 1\n") as pit:
        odd = {**pit.env, "PATH": pit.env["PATH"] + ":/caf\udce9"}
        pit.run("exec", "ping", env=odd)
        pit.run("up", "other", "--size", "1", env=odd)
