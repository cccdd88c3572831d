"""The page of each service: its examples are typed as they stand, and answered as its provider answered."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from in_process import Application
from world import World

from inferpoint import services
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Reply
from inferpoint.testing.conversations import Exchange, RecordedTask

HERE = Path(__file__).parent
PAGES = HERE.parents[1] / "docs/services"
EXAMPLE = re.compile(r"```\n(PUT|POST) (\S+)\n(.*?)\n```", re.DOTALL)
EXAMPLES = [(name, kind) for name in services.names() for kind in services.find(name).tasks if name != "elasticsearch"]


def typed(name: str, kind: TaskType) -> Mapping[str, tuple[str, Any]]:
    """Path and body of each of a task's two examples, by their method."""
    text = (PAGES / f"{name}.md").read_text("utf-8").partition(f"### {kind}\n")[2]
    return {method: (f"/{path}", json.loads(body)) for method, path, body in EXAMPLE.findall(text)[:2]}


def provider(exchange: Exchange) -> Callable[[Call], Reply]:
    """A provider that answers as it did in the *exchange*, and gives a token to whoever asks for one."""

    def answer(call: Call) -> Reply:
        if b"grant_type=" in call.body:
            return Reply(200, b'{"access_token": "t", "expires_in": 3600}')
        recorded = exchange.recording.reply
        return Reply(recorded.status, exchange.body, recorded.headers)

    return answer


@pytest.mark.parametrize(("name", "kind"), EXAMPLES)
def test_the_examples_of_a_page_do_what_they_say(make_world: Callable[..., World], name: str, kind: TaskType) -> None:
    """The endpoint of a page is made as it is typed there, and answers the request that is typed below it."""
    exchange = RecordedTask(services.find(name), kind, HERE / name).exchanges()[0]
    ask = Application(make_world(provider(exchange), validate=False))
    for method, (path, body) in typed(name, kind).items():
        answer = ask(method, path, body)
        assert answer.status == 200, answer.body
    assert ask.world.provider.calls
