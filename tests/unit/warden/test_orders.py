"""Every order about a worker is answered, also one about a worker that is being born, or that there is not."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from snakepit_cli.base import packets
from snakepit_cli.warden.births import template_protocol, template_set
from snakepit_cli.warden.births.child import Child
from snakepit_cli.warden.births.template_set import Templates
from snakepit_cli.warden.orders import Orders
from snakepit_cli.warden.records.logs import CappedLog, Pump
from tests.unit.warden.conftest import Rig

GO = {"pool": "p", "env": {}, "cwd": "/"}


class House:
    """Orders and templates. A base is `sleep`: it neither reads its control socket nor ends."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.answers: list[dict[str, Any]] = []
        self.exits: dict[str, str] = {}
        self.lost: dict[str, str] = {}
        self.channels: list[socket.socket] = []
        self.templates = Templates(rig.loop, rig.spawner, rig.children, self.answers.append, rig.notes.append)
        self.orders = Orders(
            rig.loop, rig.spawner, self.templates, rig.children, self.exits.__setitem__, lost=self.lost.__setitem__
        )

    def base(self, key: str = "python") -> Child | None:
        return self.templates.base({"key": key, "argv": ["/bin/sleep", "600"], "env": {}})

    def spawn(self, *names: str, via: str = "exec", **fields: Any) -> None:
        message = {"pool": "p", "via": via, "argv": ["/bin/sleep", "600"], "go": GO, "talks": False}
        self.orders.spawn({**message, "tokens": dict.fromkeys(names, "t"), **fields})

    def pool_template(self) -> socket.socket:
        """Makes the pool have a template; its end of the control socket."""
        ours, theirs = template_protocol.pair()
        pid = os.posix_spawn("/bin/sleep", ["sleep", "600"], {})
        pump = Pump(CappedLog(self.rig.places.log("template:p")))
        self.rig.children[pid] = Child("template:p", "template", "p", pid, pump, ours)
        self.channels.append(theirs)
        return theirs


@pytest.fixture
def house(rig: Rig) -> Iterator[House]:
    one = House(rig)
    yield one
    for channel in one.channels:
        channel.close()


@pytest.mark.parametrize("order", ["stop", "kill"])
class TestAWorker:
    def give(self, house: House, order: str) -> None:
        getattr(house.orders, order)({"worker": "p-1", "grace": 5.0})

    def test_that_runs_ends(self, house: House, order: str) -> None:
        house.spawn("p-1")
        self.give(house, order)
        assert house.rig.ended("p-1") in {-9, -15}
        assert house.exits == {}, "its death is the answer"

    def test_that_is_being_born_never_runs(self, house: House, order: str) -> None:
        channel = house.pool_template()
        house.spawn("p-1", "p-2", via="template")
        _, gates = packets.receive(channel, 2)
        self.give(house, order)
        assert house.exits == {"p-1": "is not wanted any more"}
        assert house.rig.spawner.expected("worker") == ["p-2"]
        house.channels += [socket.socket(fileno=gate) for gate in gates]
        assert house.channels[1].recv(10) == b"", "a child that comes to this gate exits"

    def test_that_there_is_not_is_told_to_be_gone(self, house: House, order: str) -> None:
        self.give(house, order)
        assert house.exits == {"p-1": "does not run"}


def test_an_order_that_is_malformed_fails_the_workers_that_it_names(house: House) -> None:
    with pytest.raises(KeyError):
        house.spawn("p-1", "p-2", go={})
    assert house.exits.keys() == {"p-1", "p-2"}
    assert "KeyError: 'env'" in house.exits["p-1"]


def test_workers_of_a_template_that_is_gone_are_no_failures(house: House) -> None:
    """The server, which does not know yet, may ask for another template."""
    house.spawn("p-1", via="template")
    assert house.lost == {"p-1": "its template is gone"}
    assert house.exits == {}


class TestTemplates:
    def test_names_of_bases_are_never_given_twice(self, house: House) -> None:
        first, second = house.base("a"), house.base("b")
        assert first is not None
        assert second is not None
        first.kill()
        os.waitpid(first.pid, 0)
        house.rig.bury(first)
        house.templates.gone(first, "exit status 0")
        third = house.base("c")
        assert third is not None
        assert third.id not in {first.id, second.id}
        assert house.base("b") is second
        assert house.base("c") is third

    def test_a_base_that_has_died_is_not_asked_even_before_it_is_buried(self, house: House) -> None:
        first = house.base("a")
        assert first is not None
        first.kill()
        os.waitid(os.P_PID, first.pid, os.WEXITED | os.WNOWAIT)
        second = house.base("a")
        assert second is not None
        assert second is not first
        house.templates.gone(first, "signal 9")
        assert house.base("a") is second

    def test_the_death_of_one_that_was_ready_is_no_answer_about_the_next(self, house: House) -> None:
        channel = house.pool_template()
        (child,) = house.rig.children.of_role("template")
        house.templates.born(child)
        house.templates.gone(child, "signal 9")
        packets.send(channel, json.dumps({"ready": True}).encode())
        house.rig.until(lambda: len(house.answers) == 2, "the answer")
        house.templates.gone(child, "signal 9")
        assert [answer.get("died", False) for answer in house.answers] == [False, False, True]

    def test_a_base_is_started_once_for_each_interpreter(self, house: House) -> None:
        assert house.base("a") is house.base("a")

    def test_no_base_can_be_had(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        def pair() -> None:
            raise OSError(24, "Too many open files")

        monkeypatch.setattr(template_set, "pair", pair)
        house.orders.template({"pool": "p", "key": "a", "argv": ["x"], "env": {}, "go": GO, "request": 7})
        reason = "no template for this interpreter"
        assert house.answers == [{"ready": False, "reason": reason, "event": "template", "pool": "p", "request": 7}]
        assert "Too many open files" in house.rig.notes[0]

    def test_one_that_is_being_born_for_a_pool_that_is_gone_never_runs(self, house: House) -> None:
        house.orders.template({"pool": "p", "key": "a", "argv": ["/bin/sleep", "600"], "env": {}, "go": GO})
        assert house.rig.spawner.expected("template") == ["template:p"]
        house.orders.retire({"pool": "p"})
        assert house.rig.spawner.expected("template") == []
        assert house.answers == []

    def test_there_is_one_template_of_a_pool_however_often_it_is_asked_for(self, house: House) -> None:
        for _ in range(3):
            house.orders.template({"pool": "p", "key": "a", "argv": ["/bin/sleep", "600"], "env": {}, "go": GO})
        assert house.rig.spawner.expected("template") == ["template:p"]

    @pytest.mark.parametrize(
        ("said", "answer"),
        [
            ({"ready": True, "commands": ["x" * 255] * 3000}, True),
            ({"ready": False, "reason": "threads"}, False),
        ],
    )
    def test_what_it_says_is_passed_on(self, house: House, said: dict[str, Any], answer: bool) -> None:
        channel = house.pool_template()
        (child,) = house.rig.children.of_role("template")
        house.templates.born(child)
        packets.send(channel, json.dumps(said).encode())
        house.rig.until(lambda: house.answers, "the answer")
        assert house.answers[0] == {**said, "event": "template", "pool": "p", "request": None}
        assert (child.kill_at is None) is answer, "one that is of no use is on its way out"

    def test_what_one_says_whose_place_has_been_taken_is_no_answer(self, house: House) -> None:
        channel = house.pool_template()
        (child,) = house.rig.children.of_role("template")
        house.templates.born(child)
        house.orders.retire({"pool": "p"})
        packets.send(channel, json.dumps({"ready": False, "reason": "threads"}).encode())
        passed: list[int] = []
        house.rig.loop.at(0.0, lambda: passed.append(1))
        house.rig.until(lambda: passed, "a round")
        assert house.answers == []

    def test_nonsense_ends_nothing_but_the_watch(self, house: House) -> None:
        channel = house.pool_template()
        (child,) = house.rig.children.of_role("template")
        house.templates.born(child)
        channel.send(b"\xff")
        passed: list[int] = []
        house.rig.loop.at(0.0, lambda: passed.append(1))
        house.rig.until(lambda: passed, "a round")
        assert house.answers == []
