"""Adapters that have names: from the configuration, from packages; what is checked before a worker sees a call."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import procs, wait
from tests.harness.pit import ROOT, Pit

CONFIG = """
[adapters.adder]
executable = "jq"
args = ["-c", "--unbuffered", "{{sum: (.a + .b)}}"]
dialect = "lines"
commands = ["json"]
timeouts = {{ json = "300ms" }}
required = {{ json = ["a", "b"] }}
[adapters.adder.schemas.json.properties.a]
maximum = 10

[adapters.words]
executable = "{python}"
script = "{bridge}/snakepit_bridge/__main__.py"
args = ["worker", "--adapter", "words.py:Words"]
directory = "."
commands = ["greet", "nap"]
timeouts = {{ nap = 0.3 }}
env = {{ GREETING = "hello", PYTHONPATH = "{bridge}" }}

[adapters.missing]
executable = "no-such-program"

[pools.default]
adapter = "adder"
size = 1
[pools.words]
adapter = "words"
size = 1
"""
WORDS = """
import os, time
class Words:
    def execute_greet(self, name):
        return f"{os.environ['GREETING']} {name}"
    def execute_nap(self, seconds):
        time.sleep(seconds)
    def execute_hidden(self):
        return 1
"""


@pytest.fixture(scope="module")
def pit() -> Iterator[Pit]:
    bridge = ROOT / "bridges" / "python"
    with Pit(CONFIG.format(python=sys.executable, bridge=bridge)) as one:
        Path(one.env["SNAKEPIT_CONFIG"]).with_name("words.py").write_text(WORDS)
        yield one


def test_calls_are_checked_before_they_reach_a_worker(pit: Pit) -> None:
    assert pit.json("exec", "json", "a:=1", "b:=2") == {"sum": 3}
    for args, words in (
        (["a:=1"], "missing argument `b`"),
        (["a:=11", "b:=1"], "a must be smaller than or equal to 10"),
    ):
        done = pit.run("exec", "json", *args, check=False)
        assert (done.returncode, words in done.stderr) == (65, True), done.stderr
    assert "no command `line`; adapter adder has json" in pit.run("exec", "line", "item=x", check=False).stderr
    assert [one["name"] for one in pit.json("commands", "--json")["commands"]] == ["json"]
    assert pit.pool()["requests"] == 1, "the others were refused before they were queued"
    assert pit.run("map", "json", input='{"a":100,"b":1}\n').stdout == '{"sum":101}\n'


def test_a_program_that_dials_in(pit: Pit) -> None:
    assert pit.run("exec", "greet", "name=you", "--pool", "words", "--raw").stdout == "hello you\n"
    assert pit.run("exec", "hidden", "--pool", "words", check=False).returncode == 127
    late = pit.json("exec", "nap", "seconds:=60", "--pool", "words", "--json", check=False)["error"]
    assert late["kind"] == "worker_timeout"
    assert pit.run("exec", "nap", "seconds:=0.5", "--pool", "words", "--timeout", "10").returncode == 0


def test_its_rules_survive_the_server(pit: Pit) -> None:
    pit.run("exec", "greet", "name=you", "--pool", "words")
    procs.kill(pit.status()["server"]["pid"])
    wait.until(lambda: pit.run("status", check=False).returncode == 0, "another server")
    assert "no command `hidden`" in pit.run("exec", "hidden", "--pool", "words", check=False).stderr
    assert pit.run("exec", "greet", "name=you", "--pool", "words", "--raw").stdout == "hello you\n"


def test_the_list_and_one_of_it(pit: Pit) -> None:
    names = {one["name"]: one for one in pit.json("adapters", "list", "--json")["adapters"]}
    assert {"showcase", "adder", "words", "missing"} <= names.keys()
    assert pit.json("adapters", "show", "adder", "--json")["settings"]["timeouts"] == {"json": 0.3}
    assert "timeouts: {'json': 0.3}" in pit.run("adapters", "show", "adder").stdout
    assert pit.run("adapters", "show", "nothing", check=False).returncode == 127


def test_whether_it_works(pit: Pit) -> None:
    assert [one["name"] for one in pit.json("adapters", "check", "words", "--json")["commands"]] == ["greet", "nap"]
    assert "adder works, 1 command" in pit.run("adapters", "check", "adder").stderr
    assert pit.run("adapters", "check", "missing", check=False).returncode == 127
    pit.adapter("raise IOError('broken')\n", "broken.py")
    broken = pit.run("adapters", "check", "broken.py", check=False)
    assert (broken.returncode, "OSError broken" in broken.stderr) == (126, True)


def test_packages_register_theirs(pit: Pit) -> None:
    site = pit.work / "site"
    (site / "words-1.0.dist-info").mkdir(parents=True)
    (site / "words-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: words\nVersion: 1.0\n")
    (site / "words-1.0.dist-info" / "entry_points.txt").write_text(
        "[snakepit.adapters]\ntalk = packed:Talk\nhollow = packed:NOTHING\n"
    )
    (site / "packed.py").write_text("class Talk:\n    def execute_say(self):\n        return 'packed'\nNOTHING = 1\n")
    env = {**pit.env, "PYTHONPATH": os.pathsep.join([str(site), pit.env.get("PYTHONPATH", "")])}
    listed = json.loads(pit.run("adapters", "list", "--json", env=env).stdout)["adapters"]
    assert {"name": "talk", "from": "package words", "what": "packed:Talk"} in listed
    pit.run("up", "talk", "--adapter", "talk", "--size", "1", env=env)
    assert pit.run("exec", "say", "--pool", "talk", "--raw").stdout == "packed\n"
    pit.run("down", "talk")
    hollow = pit.run("adapters", "check", "hollow", check=False, env=env)
    assert "entry point hollow (packed:NOTHING) is not a class" in hollow.stderr
    assert "did you mean `talk`" in pit.run("adapters", "check", "talke", check=False, env=env).stderr


def test_a_schema_that_is_none_is_named() -> None:
    with Pit("[adapters.x]\nexecutable = 'cat'\ndialect = 'lines'\nschemas = { json = { type = 'nothing' } }\n") as pit:
        done = pit.run("up", "x", "--adapter", "x", check=False)
        assert (done.returncode, "adapters.x.schemas.json: not a JSON Schema" in done.stderr) == (78, True), done.stderr
