"""Every command line in the documentation and in the examples of `--help` is run here, in order, as a person would."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from snakepit_cli.cli import app
from tests.harness.pit import ROOT, Pit

PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "bridges/python/README.md",
        ROOT / "bridges/node/README.md",
        ROOT / "bridges/ruby/README.md",
        ROOT / "bridges/go/README.md",
        *(ROOT / "docs").rglob("*.md"),
    ]
)
SET_UP = ("pip install ", "python3 -m tests", "python3 -m venv ", ". .venv/")
"""Tried in an environment of their own: tests/e2e/test_install.py and .ci/run."""
OF_RUNNING_POOLS = {f"snakepit {verb}" for verb in ("scale", "pause", "resume", "drain", "restart", "explain")}
OF_A_SERVER = {
    f"snakepit {verb}" for verb in ("status", "workers", "server status", "streams", "debug", "debug registry")
}
ENDLESS = (" -f", "server run")
"""What goes on until it is ended: here `timeout` does, after it has come up."""

DATA = {
    "notes.txt": "a line\nanother\n",
    "photo.png": "not really one",
    "data.json": '{"a": 1}\n',
    "big.csv": "id,name\n" + "".join(f'{n},"name, {n}"\n' for n in range(2000)),
    "app.log": "2024-01-01T00:00:00Z INFO start\n2024-01-01T00:00:01Z ERROR no disk\n",
    "helpers.py": "import json\n\ndef parse_json(json_string: str): return json.loads(json_string)\n"
    "def count_to(n: int): yield from range(1, n + 1)\n",
    "helpers.mjs": "export const commands = { shout({ text }) { return text.toUpperCase() } }\n",
}
SERVE = "snakepit tools serve "
OF_TOOLS = {"snakepit tools show", "snakepit tools call"}


def blocks(path: Path) -> Iterator[str]:
    yield from re.findall(r"^```sh\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)


def sessions(path: Path) -> list[tuple[str, str]]:
    """The command lines of the `console` blocks of a page, each with the output that the page shows."""
    found: list[tuple[str, str]] = []
    for block in re.findall(r"^```console\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL):
        for line in block.splitlines(keepends=True):
            if line.startswith("$ "):
                found.append((line[2:], ""))
            else:
                found[-1] = (found[-1][0], found[-1][1] + line)
    return found


def files(path: Path) -> Iterator[tuple[str, str]]:
    """Of a page, the blocks that begin with the name of a file in a comment."""
    for text in re.findall(r"^```(?:python|toml|bash)\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL):
        if name := re.match(r"# ([\w-]+\.\w+)\n", text):
            yield name[1], text


_VARIES = (
    (r"/(?:[\w.@+-]+/)+", "/"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\dZ?", "INSTANT"),
    (r"\b\d\d:\d\d:\d\d\b", "INSTANT"),
    (r"\b\d{10}\.\d+\b", "INSTANT"),
    (r"\b\d+(?:\.\d+)? ?(?:µs|ms|s|m|h)\b(?: \d+ (?:m|s)\b)?", "TIME"),
    (r"\b\d+(?:\.\d+)? ?[kMG]i?B\b", "SIZE"),
    (r"\bpid \d+", "pid N"),
    (r"\b\d+ +(idle|busy) +\d+", r"N \1 N"),
    (r'("seconds": )\d+\.\d+', r"\1N"),
    (r"\bs-[0-9a-z]{5}\b", "s-"),
    (r"\b([a-z]+)-\d+\b", r"\1-N"),
    (r"[ ━]+", " "),
)
"""What differs from run to run: pattern → what is compared instead."""


def comparable(output: str) -> str:
    for pattern, instead in _VARIES:
        output = re.sub(pattern, instead, output)
    return output.strip()


def shown(expected: str, output: str) -> bool:
    """`…` on the page stands for any text."""
    pattern = ".*".join(re.escape(comparable(part)) for part in expected.split("…"))
    return re.fullmatch(pattern, comparable(output), re.DOTALL) is not None


@pytest.mark.parametrize(
    ("page", "printed", "same"),
    [
        ('{"words":2}', '{"words":3}', False),
        ("3 of 3 items, 1 failed", "3 of 3 items, 0 failed", False),
        ("ready: 2 workers in 0.31 s", "ready: 2 workers in 1 m 2 s", True),
        ("pid 17, s-…", "pid 4711, s-0a1b2", True),
    ],
)
def test_only_what_differs_from_run_to_run_may_differ(page: str, printed: str, same: bool) -> None:
    assert shown(page, printed) is same


def examples(command: Any = None, path: str = "snakepit") -> Iterator[tuple[str, str]]:
    command = command or app.command()
    if command.epilog:
        yield path, command.epilog
    for name, inner in getattr(command, "commands", {}).items():
        yield from examples(inner, f"{path} {name}")


@pytest.fixture(scope="module")
def pit() -> Iterator[Pit]:
    with Pit("[pools.default]\nsize = 2\n") as one:
        for name, text in DATA.items():
            (one.work / name).write_text(text)
        shutil.copytree(ROOT / "examples", one.work / "examples")
        shutil.copy(ROOT / "examples" / "words.py", one.work)
        worker = one.work / "my-worker"
        worker.write_text(f"#!/bin/sh\nexec ruby {ROOT}/bridges/ruby/worker.rb --adapter examples/words.rb\n")
        worker.chmod(0o755)
        (one.work / ".zfunc").mkdir()
        (one.work / ".config/fish/completions").mkdir(parents=True)
        one.env |= {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(one.work),
            "PYTHONPATH": str(ROOT / "bridges/python"),
        }
        yield one


def script(text: str) -> str:
    """The lines as a script that stops at the first failure; a pipe's reader may leave early.

    Tools are served while the other lines run.
    """
    lines = ["set -eu", "trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT"]
    for line in text.strip().splitlines():
        bare = line.strip()
        if bare.startswith(SET_UP) or not bare:
            continue
        if bare.startswith(SERVE):
            lines.append(
                in_background(bare, "served", "grep -q serving served") + "; cat served; grep -q serving served"
            )
        elif any(word in bare.split("  #")[0] for word in ENDLESS):
            lines.append(f"timeout --signal=INT 3 {bare} || [ $? = 124 ] || [ $? = 130 ]")
        else:
            lines.append(bare)
    return "\n".join(lines) + "\n"


def in_background(command: str, said: str, until: str) -> str:
    """Goes on when the command has said what is waited for, or has ended. What it says is in the file `said`."""
    return f": >{said}; {command} >{said} 2>&1 & until {until}; do kill -0 $! || break; sleep 0.05; done"


def run(pit: Pit, text: str, folder: Path | None = None) -> None:
    done = subprocess.run(
        ["bash", "-c", script(text)], cwd=folder or pit.work, env=pit.env, capture_output=True, text=True, timeout=120,
        check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_command_lines_of_a_page(pit: Pit, page: Path) -> None:
    folder = checkout(pit) if page == ROOT / "README.md" else None
    for block in blocks(page):
        run(pit, block, folder)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if sessions(page)], ids=lambda path: str(path.relative_to(ROOT))
)
def test_the_output_that_a_page_shows(pit: Pit, page: Path) -> None:
    """One shell runs all command lines of the page, in a folder with the files that the page shows."""
    run(pit, "snakepit down --all")
    folder = pit.work / page.stem
    shutil.copytree(ROOT / "examples", folder / "examples")
    for name, text in files(page):
        (folder / name).write_text(text)
    lines = sessions(page)
    text = "".join(step(number, *line) for number, line in enumerate(lines)) + "kill $(jobs -p) 2>/dev/null\n"
    done = subprocess.run(
        ["bash", "-c", text], cwd=folder, env=pit.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=120, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    outputs = done.stdout.split(END + "\n")[:-1]
    assert len(outputs) == len(lines), done.stdout
    for (command, expected), output in zip(lines, outputs, strict=True):
        assert shown(expected, output), f"$ {command}{output}\nthe page shows:\n{expected}"
    run(pit, "snakepit down --all")


END = "-- end of output --"


def step(number: int, command: str, expected: str) -> str:
    """A command line, and what marks the end of its output. What a line leaves running (`… &`) runs beside the next."""
    bare = command.rstrip()
    if bare.endswith(" &"):
        said, lines = f"said-{number}", expected.count("\n")
        waits = in_background(bare[:-2], said, f"[ $(wc -l <{said}) -ge {lines} ]")
        return f"{waits}; cat {said}; beside+=($!); echo '{END}'; true\n"
    others = 'for job in $(jobs -p); do [[ " ${beside[*]} " = *" $job "* ]] || wait $job; done'
    return f"{command}last=$?; {others}; echo '{END}'; (exit $last)\n"


def checkout(pit: Pit) -> Path:
    """What a reader of the README has: its command lines make whatever else they need."""
    folder = pit.work / "checkout"
    folder.mkdir()
    shutil.copy(ROOT / "README.md", folder)
    shutil.copytree(ROOT / "examples", folder / "examples")
    return folder


def test_the_configuration_of_the_guide() -> None:
    """Its pool serves, and each line that is commented out is accepted, too."""
    page = ROOT / "docs/guide/configuration.md"
    found = re.search(r"^```toml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    with Pit(found[1]) as pit:
        shutil.copytree(ROOT / "examples", pit.folder / "examples")
        assert pit.run("exec", "count", "text=the end of a line", "--pool", "words").stdout == '{"words":2}\n'
        pit.config.write_text(re.sub("^# (?=[a-z]+ = )", "", found[1], flags=re.MULTILINE))
        pit.run("adapters", "list")


@pytest.mark.parametrize(("path", "text"), [pytest.param(*one, id=one[0]) for one in examples()])
def test_the_examples_of_help(pit: Pit, path: str, text: str) -> None:
    if path == "snakepit server restart":
        run(pit, "snakepit server start")
    if path.startswith(("snakepit commands", "snakepit down")):
        run(pit, "snakepit down; snakepit up words --adapter words.py --size 1")
    if path == "snakepit up":
        run(pit, "snakepit down")
    if path in OF_A_SERVER:
        run(pit, "snakepit up --size 2")
    if path == "snakepit server run":
        run(pit, "snakepit down --all")
    if path in OF_RUNNING_POOLS:
        run(pit, "snakepit down; snakepit up; snakepit up words --adapter words.py --size 2; snakepit exec ping")
    if path in OF_TOOLS:
        text = f"{SERVE} helpers.py --session s1\n{text}"
    run(pit, text)
    if path in {"snakepit pause", "snakepit drain"}:
        run(pit, "snakepit resume")


def test_the_readme_shows_the_example_as_it_is() -> None:
    """Not word for word: the file has more docstrings and types. But the code that both show is the same."""
    shown = re.search(
        r"^```python\n# examples/words.py\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    assert shown is not None
    (namespace,) = [{}]
    exec(shown.group(1), namespace)
    assert {"count", "lines"} <= set(vars(namespace["Words"]))


def test_every_link_leads_somewhere() -> None:
    for page in PAGES:
        prose = re.sub(r"^```.*?^```|`[^`\n]+`", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        for target in re.findall(r"\]\(([^)#]+)", prose):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_ci_runs_the_test_command_of_the_readme() -> None:
    command = "python3 -m tests"
    assert f"```sh\n{command}\n```" in (ROOT / "README.md").read_text()
    assert (ROOT / ".ci/run").read_text().splitlines()[-1] == command
