"""`--adapter python`: the page of the guide as it stands, and what a pool does not name."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator

import pytest

from tests.harness.pit import ROOT, Pit

PAGE = (ROOT / "docs/guide/adapters.md").read_text().partition("## Without writing one")[2].partition("\n## ")[0]


def block(kind: str) -> str:
    found = re.search(rf"^```{kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture(scope="module")
def pit() -> Iterator[Pit]:
    with Pit(block("toml") + "size = 1\n") as one:
        yield one


def test_the_commands_of_the_guide(pit: Pit) -> None:
    found = [pit.run(*shlex.split(line)[1:]).stdout for line in block("shell").splitlines()]
    assert found[0] == "2\n"
    assert json.loads(found[1]) == {"id": "d", "type": "statistics.NormalDist", "scope": "session"}
    assert float(found[2]) == pytest.approx(0.8413, abs=1e-4)
    assert json.loads(found[3])["signature"] == "(data)"


def test_what_the_pool_does_not_name_is_refused_with_the_setting(pit: Pit) -> None:
    done = pit.json("exec", "call", "target=os.getcwd", "--pool", "stats", "--json", check=False)
    assert done["error"]["kind"] == "invalid_arguments"
    assert 'set modules = ["statistics", "json", "os"] below [pools.stats]' in done["error"]["message"]


def test_an_object_without_a_json_form_is_refused_by_type_and_kept_by_name(pit: Pit) -> None:
    done = pit.run("exec", "call", "target=statistics.NormalDist", "--pool", "stats", check=False)
    assert "$ is of type statistics.NormalDist, which has no JSON form" in done.stderr
    pit.run("exec", "call", "target=statistics.NormalDist", "store_as=n", "--pool", "stats")
    assert pit.run("exec", "call", "target=stored.n.pdf", "args:=[0]", "--pool", "stats").stdout.startswith("0.398")


def test_it_is_in_the_list(pit: Pit) -> None:
    names = [one["name"] for one in pit.json("adapters", "list", "--json")["adapters"]]
    assert names[:3] == ["showcase", "node", "python"]
