"""/dev/shm that is too small, and one that another process fills in the middle: everything arrives all the same."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.harness.pit import COMMAND, Pit

ADAPTER = """
import array

def double(item):
    return {"doubled": 2 * item}

def same(item):
    return item

def text(size: int):
    return "x" * size

def twice(data):
    return array.array("d", [2 * one for one in memoryview(data)])
"""
COUNT = 200_000
SCRIPT = """
set -eu
mount -t tmpfs -o size=$1 tmpfs /dev/shm
shift
snakepit() {{ {command} "$@"; }}
snakepit up --adapter "$ADAPTER" --size 2 --quiet
{steps}
snakepit down --quiet
rm -f /dev/shm/filler
ls /dev/shm
"""
STEPS = {
    "map": """
seq 1 COUNT >input
snakepit map double --input input --output output --quiet
awk -F '[:}]' '$2 != 2 * NR { exit 1 } END { exit NR != COUNT }' output
""",
    "map, filled in the middle": """
seq 1 COUNT >input
{
    head -n 1000 input
    while [ ! -s output ]; do sleep 0.01; done
    cat /dev/zero >/dev/shm/filler || true
    tail -n +1001 input
} 2>full |
    snakepit map double --quiet >output
grep -q 'No space' full
awk -F '[:}]' '$2 != 2 * NR { exit 1 } END { exit NR != COUNT }' output
""",
    "map of a pipe with long lines": """
seq 1 COUNT | awk '{ printf "\\"%0200d\\"\\n", $1 }' >input
{ head -n 100000 input; cat /dev/zero >/dev/shm/filler || true; tail -n +100001 input; } 2>full |
    snakepit map same --quiet >output
grep -q 'No space' full
cmp input output
""",
    "results": """
for round in 1 2 3; do [ "$(snakepit exec text size:=9000000 --raw | wc -c)" = 9000001 ]; done
cat /dev/zero >/dev/shm/filler 2>full || true
grep -q 'No space' full
for round in 1 2 3; do [ "$(snakepit exec text size:=9000000 --raw | wc -c)" = 9000001 ]; done
""",
    "arrays": """
"$PYTHON" - <<'END'
import array
from snakepit_cli.client.api import Connection
from snakepit_cli.client.connect.find import find
numbers = array.array("d", [1.0]) * 500_000
with Connection(find("default")) as connection:
    for _ in range(3):
        assert connection.call_value("twice", {"data": numbers})[-1] == 2.0
    try:
        with open("/dev/shm/filler", "wb", buffering=0) as filler:
            while filler.write(bytes(1 << 16)):
                pass
    except OSError as error:
        assert error.errno == 28, error
    else:
        raise AssertionError("it is not full")
    for _ in range(3):
        assert connection.call_value("twice", {"data": numbers})[-1] == 2.0
END
""",
}


@pytest.mark.parametrize("size", ["64k", "64m"])
@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)
def test_everything_arrives(size: str, steps: str) -> None:
    with Pit() as pit:
        script = SCRIPT.format(command=" ".join(COMMAND), steps=steps.replace("COUNT", str(COUNT)))
        env = {**pit.env, "ADAPTER": pit.adapter(ADAPTER), "PYTHON": sys.executable}
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", script, "sh", size], cwd=pit.work, env=env, check=False, text=True,
            stdin=subprocess.DEVNULL, capture_output=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout == "", "segments are left"
