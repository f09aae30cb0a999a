"""A tiny warden for tests: starts a template, opens and closes gates, reaps what it adopts.

Reads one JSON command per line on stdin and answers each with one JSON line on stdout.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import subprocess
import sys
from typing import Any

PR_SET_CHILD_SUBREAPER = 36


def pair() -> tuple[socket.socket, socket.socket]:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    here.settimeout(15)
    return here, there


class Warden:
    def __init__(self, log: str) -> None:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.channels: dict[str, socket.socket] = {}
        self.children: list[subprocess.Popen[bytes]] = []

    def base(self, name: str) -> Any:
        here, there = pair()
        self.channels[name] = here
        room = "x" * 200
        child = subprocess.Popen(
            [
                os.environ.get("BRIDGE_PYTHON", sys.executable),
                "-m",
                "snakepit_bridge",
                "template",
                "--instance",
                "i1",
                "--title-room",
                room,
            ],
            env={**os.environ, "SNAKEPIT_CONTROL_FD": str(there.fileno())},
            pass_fds=(there.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
        )
        there.close()
        self.children.append(child)
        return {**self.hear(name), "pid": child.pid}

    def fork(self, template: str, names: list[str]) -> Any:
        pairs = [pair() for _ in names]
        for name, (here, _) in zip(names, pairs):
            self.channels[name] = here
        message = json.dumps({"op": "fork", "count": len(names)}).encode()
        socket.send_fds(self.channels[template], [message], [there.fileno() for _, there in pairs])
        for _, there in pairs:
            there.close()
        return [self.hear(name)["pid"] for name in names]

    def go(self, name: str, **fields: Any) -> Any:
        socket.send_fds(self.channels[name], [json.dumps(fields).encode()], [self.log])

    def hear(self, name: str) -> Any:
        data = self.channels[name].recv(1 << 16)
        return json.loads(data) if data else None

    def close(self, name: str) -> Any:
        self.channels.pop(name).close()

    def wait(self, pid: int) -> Any:
        _, status = os.waitpid(pid, 0)
        return os.waitstatus_to_exitcode(status)


def main() -> None:
    warden = Warden(sys.argv[1])
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(warden, request.pop("do"))(**request)
        except Exception as error:  # noqa: BLE001
            answer = {"error": repr(error)}
        print(json.dumps(answer), flush=True)


main()
