"""The configuration file: what it says, and what is said when it is wrong."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from snakepit_cli.base.errors import PitError
from snakepit_cli.core.limits import Limits
from snakepit_cli.settings.load import load
from snakepit_cli.settings.schema import Settings
from snakepit_cli.settings.tables import LimitsTable, json_schema

Load = Callable[[str], Settings]
ROOT = Path(__file__).resolve().parents[3]
TIME = 'must be seconds, or a duration such as "250ms", "90s" or "1h30m", above 0, not'
WHOLE = """
[server]
idle_timeout = "1m"
[limits]
queue_timeout = 2
max_calls = 100
[pools.words]
adapter = "words.py:Words"
size = 3
env = { A = "b" }
limits.queue_timeout = "250ms"
[adapters.own]
executable = "./own"
script = "main.rb"
args = ["-x"]
timeouts = { slow = "2m", quick = 1 }
required.slow = ["text"]
schemas.slow = { type = "object" }
"""


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    file = tmp_path / "config.toml"
    monkeypatch.setenv("SNAKEPIT_CONFIG", str(file))

    def read(text: str) -> Settings:
        file.write_text(text)
        return load()

    return read


def test_what_a_file_says(loaded: Load, tmp_path: Path) -> None:
    found = loaded(WHOLE)
    words, own = found.pools["words"], found.adapters["own"]
    assert (found.idle_timeout, found.max_message_bytes) == (60.0, Settings().max_message_bytes)
    assert (words.adapter, words.size, words.env) == (f"{tmp_path}/words.py:Words", 3, {"A": "b"})
    assert words.limits == {"queue_timeout": 0.25, "max_calls": 100}
    assert isinstance(words.limits["max_calls"], int), "numbers of calls stay whole"
    assert (own.executable, own.args) == (f"{tmp_path}/./own", (f"{tmp_path}/main.rb", "-x"))
    assert (own.timeouts, own.required) == ({"slow": 120.0, "quick": 1.0}, {"slow": ("text",)})
    assert found.pool("default") is not None
    assert found.pool("other") is None


def test_where_each_setting_comes_from(loaded: Load, tmp_path: Path) -> None:
    found = loaded(WHOLE)
    for setting, line in {
        "server.idle_timeout": 3, "pools.words": 7, "pools.words.size": 9, "pools.words.limits.queue_timeout": 11,
        "adapters.own.required.slow": 17,
    }.items():  # fmt: skip
        assert found.origin(setting) == f"{tmp_path}/config.toml:{line}"
    assert found.origin("server.spool_keep") == "default"


def test_settings_survive_the_handover_to_the_next_server(loaded: Load) -> None:
    found = loaded(WHOLE)
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(msgspec.to_builtins(found))), Settings) == found


def test_what_bridges_learn_from_their_environment(loaded: Load) -> None:
    text = """
    [pools.a]
    unserializable = "mark"
    modules = ["math", "os.path"]
    env = { A = "b" }
    [pools.b]
    """
    found = loaded(text).pools
    told = {"SNAKEPIT_UNSERIALIZABLE": "mark", "SNAKEPIT_MODULES": "math,os.path"}
    assert (found["a"].env, found["b"].env) == ({"A": "b", **told}, {})


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("\n[pools.default]\nsize = -1\n", 3, "pools.default.size must be a whole number from 1 to 1024, not -1"),
        ("[pools.a]\nsize = true\n", 2, "from 1 to 1024, not true"),
        ("[pools.a]\nsize = 1025\n", 2, "from 1 to 1024, not 1025"),
        ("[pools.a]\nsise = 1\n", 2, "unknown setting pools.a.sise (did you mean size? allowed: adapter, size,"),
        ("[pools.a]\nadapter = ''\n", 2, "pools.a.adapter must be a string that is not empty"),
        ("[pools.a]\nadapter = 'a\\u0000'\n".replace("'", '"'), 2, "without NUL characters, not 'a\\x00'"),
        ("[pools.a]\nenv = 5\n", 2, "pools.a.env must be a table of strings, not 5"),
        ("[pools.a.env]\nB = 'b'\nA = 1\n", 3, "pools.a.env.A must be a string without NUL characters, not 1"),
        ("[pools.a]\nenv.A = { secret = 'x' }\n", 2, "not a table"),
        ("[pools.a]\ncontain = 'stric'\n", 2, "pools.a.contain must be standard or strict, not 'stric'"),
        ("[pools.a]\nunserializable = 'x'\n", 2, "pools.a.unserializable must be refuse or mark, not 'x'"),
        ("[pools.a]\nmodules = ['a b']\n", 2, "pools.a.modules must be a list of names of Python modules"),
        ("[pools.a]\nmodules = 'math'\n", 2, "pools.a.modules must be a list of names of Python modules, not 'math'"),
        ("[pools]\n'a/b' = {}\n", 2, "pools: a name must be 1 to 32 letters, digits,"),
        ("[pools]\na = 1\n", 2, "pools.a must be a table, not 1"),
        ("x = 1\n", 1, "unknown setting x (allowed: server, session, limits, pools, adapters)"),
        ("[limits]\nqueue_timeout = 'soon'\n", 2, f"limits.queue_timeout {TIME} 'soon'"),
        ("[limits]\nqueue_timeout = 0\n", 2, f"{TIME} 0"),
        ("[limits]\nqueue_timeout = inf\n", 2, f"{TIME} inf"),
        ("pools.a.limits.max_age = nan\n", 1, f"pools.a.limits.max_age {TIME} nan"),
        ("[limits]\nqueue_size = 99999999999999999999\n", 2, "limits.queue_size must be a whole number"),
        ("[server]\nmax_message_bytes = 1.5\n", 2, "server.max_message_bytes must be a whole number"),
        ("[adapters.x]\nscript = 'a'\n", 1, "adapters.x.executable is missing: it must be a string"),
        ("[adapters.x]\nexecutable = 'a'\nscrip = 1\n", 3, "unknown setting adapters.x.scrip (did you mean script?"),
        ("[adapters.x]\nexecutable = 'a'\ndialect = 'b'\n", 3, "must be grpc, lines or json, not 'b'"),
        ("[adapters.x]\nexecutable = 'a'\nargs = 'b'\n", 3, "adapters.x.args must be a list of strings, not 'b'"),
        ("[adapters.x]\nexecutable = 'a'\ntimeouts = { c = -1 }\n", 3, f"adapters.x.timeouts.c {TIME} -1"),
        ("[adapters.x]\nexecutable = 'a'\ntimeouts = { c = true }\n", 3, f"adapters.x.timeouts.c {TIME} true"),
        ("[adapters.x]\nexecutable = 'a'\nrequired = { c = 1 }\n", 3, "x.required.c must be a list of strings"),
        ("[adapters.x]\nexecutable = 'a'\nschemas = { c = 1 }\n", 3, "x.schemas.c must be a JSON Schema: a table"),
        ("adapters = 1\n", 1, "adapters must be a table, not 1"),
    ],
)
def test_a_wrong_setting_is_named_with_its_line(loaded: Load, text: str, line: int, words: str) -> None:
    with pytest.raises(PitError) as raised:
        loaded(text)
    assert raised.value.kind == "invalid_configuration"
    assert f"config.toml:{line}: " in raised.value.message
    assert words in raised.value.message


@pytest.mark.parametrize("raw", [b"size = ", b"\xff", b"a = " + b"[" * 5000, b"#" * (1 << 20) + b"#"])
def test_a_file_that_cannot_be_read_is_named(raw: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(raw)
    monkeypatch.setenv("SNAKEPIT_CONFIG", str(file))
    with pytest.raises(PitError, match=f"{file}: "):
        load()


def test_a_byte_order_mark_and_lines_of_windows(loaded: Load) -> None:
    assert loaded("\ufeff[pools.a]\r\nsize = 3\r\n").pools["a"].size == 3


def test_a_line_within_a_string_is_no_setting(loaded: Load) -> None:
    text = '[pools.a]\nenv.A = """\n[server]\n= 3\n"""\nsize = 0\n'
    with pytest.raises(PitError, match=r"pools\.a\.size must be"):
        loaded(text)


def test_every_limit_of_the_file_is_one_of_the_core() -> None:
    assert set(LimitsTable.__struct_fields__) <= {field.name for field in dataclasses.fields(Limits)}


def test_the_schema_for_editors_knows_each_setting_of_the_guide() -> None:
    blocks = (ROOT / "docs/guide/configuration.md").read_text().split("```toml\n")[1:]
    defined = json_schema()["$defs"]

    def known(table: dict[str, object], name: str) -> None:
        properties = defined[name]["properties"]
        for key, value in table.items():
            assert key in properties, key
            inner = properties[key].get("$ref", properties[key].get("additionalProperties", {}).get("$ref", ""))
            if isinstance(value, dict) and inner:
                entries = value.values() if "additionalProperties" in properties[key] else [value]
                for entry in entries:
                    known(entry, inner.rpartition("/")[2])

    for block in blocks:
        known(tomllib.loads(block.partition("```")[0]), "File")
    assert blocks
