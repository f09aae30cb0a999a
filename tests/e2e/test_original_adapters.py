"""Adapters written as for the original run through the command line: examples/original."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.pit import ROOT, Pit

EXAMPLES = ROOT / "examples" / "original"
CONFIG = f"""
[pools.science]
adapter = "{EXAMPLES}/data_science_adapter.py"
size = 1
limits = {{ startup_timeout = "60s" }}
[pools.ml]
adapter = "{EXAMPLES}/ml_adapter.py"
size = 2
[pools.simple]
adapter = "{EXAMPLES}/my_simple_adapter.py"
size = 1
[pools.dials]
adapter = "dialling"
size = 1
[pools.text]
adapter = "{EXAMPLES}/text_adapter.py"
size = 1
[pools.tools]
adapter = "{EXAMPLES}/tools_adapter.py"
size = 1
[pools.template]
adapter = "snakepit_bridge.adapters.template.TemplateAdapter"
size = 1
[pools.fresh]
adapter = "counting.py"
size = 1
instance = "call"
[pools.made]
adapter = "made.py"
size = 1
[adapters.dialling]
executable = "{sys.executable}"
script = "{EXAMPLES}/my_simple_adapter.py"
"""
COUNTING = """
class Counting:
    seen = 0
    def __init__(self):
        Counting.seen += 1
        self.calls = 0
    async def initialize(self):
        self.ready = True
    def set_session_context(self, context):
        self.session = context.session_id
    def cleanup(self):
        with open("notes", "a") as notes:
            print("cleaned up", file=notes)
    def execute_count(self):
        self.calls += 1
        return [Counting.seen, self.calls, self.ready, self.session]
    def execute_chunks(self):
        for number in range(3):
            self.calls += 1
            yield self.calls
    async def execute_later(self):
        return self.calls
    def execute_fail(self):
        raise LookupError("nothing there")
"""
MADE = """
from snakepit_bridge import SessionContext

class Made:
    def __init__(self, session: SessionContext):
        self.session = session

    def remember(self, name: str, value: int):
        self.session[name] = value

    def recall(self, name: str):
        return self.session[name]

    def _private(self):
        pass
"""


@pytest.fixture(scope="module")
def pit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pit]:
    with Pit(CONFIG) as one:
        one.config.with_name("counting.py").write_text(COUNTING)
        one.config.with_name("made.py").write_text(MADE)
        yield one


def names(pit: Pit, pool: str) -> list[str]:
    return [one["name"] for one in pit.json("commands", "--pool", pool, "--json")["commands"]]


def test_data_science(pit: Pit) -> None:
    table = "a,b,y\n" + "".join(f"{n},{n * n},{3 * n + 1}\n" for n in range(20))
    (pit.work / "data.csv").write_text(table)
    rows = [{"a": n, "b": n * n, "y": 3 * n + 1} for n in range(20)]
    run = ("--pool", "science", "--session", "lab")
    loaded = pit.json("exec", "load_data", f"file_path={pit.work / 'data.csv'}", *run)
    assert loaded == {
        "rows": 20, "columns": 3, "column_names": ["a", "b", "y"], "dtypes": dict.fromkeys("aby", "int64"),
    }  # fmt: skip
    again = pit.json("exec", "load_data", f"file_path={pit.work / 'data.csv'}", *run, "--json", check=False)
    assert again["error"]["type"] == "AlreadyExistsError", "the variables of the session are there already"
    data = f"data:={json.dumps(rows)}"
    scaled = pit.json("exec", "preprocess", data, "target=y", *run)
    assert (scaled["train_size"], scaled["test_size"], scaled["feature_means"]) == (16, 4, [9.5, 123.5])
    trained = pit.json("exec", "train_model", data, "target=y", *run)
    assert (trained["model_id"], trained["training_complete"]) == ("lab_linear_regression", True)
    assert trained["score"] > 0.999
    [found] = pit.json("exec", "predict", 'data:=[{"a":30,"b":900}]', *run)["predictions"]
    assert round(found, 6) == 91
    wrong = pit.json("exec", "train_model", "model_type=oracle", *run, "--json", check=False)["error"]
    assert (wrong["type"], wrong["message"]) == ("ValueError", "ValueError: Unknown model type: oracle")
    pathless = pit.json("exec", "load_data", "--pool", "science", "--json", check=False)["error"]
    assert "file_path is required" in pathless["message"]


def test_a_plain_class_whose_methods_take_the_session(pit: Pit) -> None:
    run = ("--pool", "ml", "--session", "ml")
    assert names(pit, "ml") == ["nearest", "process_embeddings"]
    assert pit.json("exec", "process_embeddings", "batch_size:=4", *run) == {"shape": [4, 512]}
    assert pit.json("exec", "nearest", "row:=1", *run)["row"] in {0, 2, 3}
    lonely = pit.json("exec", "process_embeddings", "batch_size:=4", "--pool", "ml", "--json", check=False)["error"]
    assert lonely["type"] == "NoSessionError"


@pytest.mark.parametrize("pool", ["simple", "dials", "lines"])
def test_a_simple_handler_as_an_adapter_and_as_a_program(pit: Pit, pool: str) -> None:
    if pool == "lines":
        line = shlex.join([sys.executable, f"{EXAMPLES}/my_simple_adapter.py"])
        pit.run("up", "lines", "--size", "1", "--adapter", f"exec-json:{line}")
    assert names(pit, pool) == ["letters", "uppercase", "word_count"]
    assert pit.json("exec", "uppercase", "text=hello", "--pool", pool) == {"result": "HELLO"}
    assert pit.json("exec", "word_count", "text=a b a", "--pool", pool) == {
        "word_count": 3, "char_count": 5, "unique_words": 2,
    }  # fmt: skip
    assert pit.run("stream", "letters", "text=abc", "--pool", pool).stdout == '"a"\n"b"\n"c"\n'
    assert pit.json("exec", "letters", "text=abc", "--pool", pool) == ["a", "b", "c"]
    wrong = pit.json("exec", "uppercase", "text:=7", "--pool", pool, "--json", check=False)["error"]
    assert (wrong["kind"], wrong["type"]) == ("command_failed", "AttributeError")
    pit.run("down", pool)


def test_a_dispatcher_offers_what_it_lists(pit: Pit) -> None:
    assert names(pit, "text") == ["reverse", "spell", "who"]
    assert pit.json("exec", "reverse", "text=hello", "--pool", "text") == {"result": "olleh"}
    who = pit.json("exec", "who", "--pool", "text", "--session", "s")
    assert (who["session"], who["info"]["initialized"], who["info"]["session_id"]) == ("s", True, "s")
    unknown = pit.json("exec", "tool", "--pool", "text", "--json", check=False)["error"]
    assert unknown["kind"] == "command_not_found"


def test_chunks_carry_whether_they_are_the_last(pit: Pit) -> None:
    lines = pit.run("stream", "spell", "text=abc", "--pool", "text").stdout.splitlines()
    assert [json.loads(line) for line in lines] == [
        {"letter": "a", "number": 1, "is_final": False},
        {"letter": "b", "number": 2, "is_final": False},
        {"letter": "c", "number": 3, "is_final": True},
    ]


def test_a_dispatcher_that_lists_nothing_is_asked_for_everything(pit: Pit) -> None:
    wrong = pit.json("exec", "whatever", "x:=1", "--pool", "template", "--json", check=False)["error"]
    assert (wrong["kind"], wrong["type"]) == ("command_failed", "NotImplementedError")


def test_methods_marked_as_tools(pit: Pit) -> None:
    [count, text] = pit.json("commands", "--pool", "tools", "--json")["commands"]
    assert (text["name"], text["summary"], count["streaming"]) == ("process_text", "Changes a text", True)
    assert [one["name"] for one in text["parameters"]] == ["text", "operation"]
    assert pit.json("exec", "process_text", "text=abc", "operation=reverse", "--pool", "tools")["result"] == "cba"
    assert pit.run("stream", "count", "to:=2", "--pool", "tools").stdout == "1\n2\n"
    refused = pit.json("exec", "process_text", "txt=abc", "--pool", "tools", "--json", check=False)["error"]
    assert refused["kind"] == "invalid_arguments"


def test_an_object_for_each_call(pit: Pit) -> None:
    notes = Path(pit.config.parent / "notes")
    run = ("--pool", "fresh", "--session", "s")
    assert pit.json("exec", "count", *run) == [1, 1, True, "s"]
    assert pit.json("exec", "count", "--pool", "fresh") == [2, 1, True, ""]
    assert pit.run("stream", "chunks", *run).stdout == "1\n2\n3\n"
    assert pit.json("exec", "later", *run) == 0
    failed = pit.json("exec", "fail", *run, "--json", check=False)["error"]
    assert failed["type"] == "LookupError"
    assert "snakepit_bridge" not in failed["traceback"], "it begins in the adapter"
    assert pit.run("map", "count", *run, input="{}\n{}\n").stdout == '[6,1,true,"s"]\n[7,1,true,"s"]\n'
    found = [path for path in (notes, pit.work / "notes") if path.exists()]
    assert found
    assert found[0].read_text().count("cleaned up") == 7, "each object is cleaned up, whatever became of its call"


def test_a_class_that_takes_the_session_when_it_is_made(pit: Pit) -> None:
    run = ("--pool", "made", "--session", "made")
    assert names(pit, "made") == ["recall", "remember"]
    pit.run("exec", "remember", "name=x", "value:=7", *run)
    assert pit.json("exec", "recall", "name=x", *run) == 7
