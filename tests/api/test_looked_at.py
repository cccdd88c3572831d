"""What a request says is looked at, also where nothing would come of it: a mistake is told and not passed over."""

from __future__ import annotations

from typing import Any

import pytest
from in_process import Application

CHAT = {"model": "chat", "messages": [{"role": "user", "content": "x"}]}
CLAUDE = {**CHAT, "model": "claude", "max_tokens": 9}
EMBED = {"model": "vectors", "texts": ["x"], "input_type": "search_query"}


@pytest.mark.parametrize(
    ("method", "path", "query", "body"),
    [
        ("POST", "/_inference/chat", "chunked=null", {"messages": CHAT["messages"]}),
        ("POST", "/_inference/ranks", "partial=maybe&chunked=no", {"query": "x", "input": ["x"]}),
        ("POST", "/_inference/vectors", "timeout=30s", {"input": "x", "timeout": ""}),
        ("DELETE", "/_inference/vectors", "dry_run=true&force=yes", None),
        ("PUT", "/_inference/vectors/_update", "master_timeout=soon", {"task_settings": {"user": "x"}}),
        ("POST", "/v1/chat/completions", "", {**CHAT, "tools": [], "tool_choice": {"type": "function"}}),
        ("POST", "/v1/responses", "", {"model": "chat", "input": [{"type": {}, "role": "user", "content": "x"}]}),
        ("POST", "/v1/messages", "", {**CLAUDE, "metadata": False}),
        ("POST", "/v1/messages", "", {**CLAUDE, "output_config": ""}),
        ("POST", "/v2/embed", "", {**EMBED, "priority": False}),
    ],
)
def test_a_value_of_another_type_is_refused(ask: Application, method: str, path: str, query: str, body: Any) -> None:
    """A 400, though the request could be answered without looking at it."""
    told = ask(method, path, body, query)
    assert told.status == 400, told.body


def test_a_response_is_told_again_only_whole(ask: Application) -> None:
    """The parameter `stream` is false, or an error."""
    kept = ask("POST", "/v1/responses", {"model": "chat", "input": "x"}).json["id"]
    statuses = [
        ask("GET", f"/v1/responses/{kept}", None, f"stream={word}").status for word in ("false", "true", "null")
    ]
    assert statuses == [200, 400, 400]


def test_no_tools_are_taken_with_a_choice_among_them(ask: Application) -> None:
    """As Kibana sends them, when the choice is one that there is."""
    assert ask("POST", "/v1/chat/completions", {**CHAT, "tools": [], "tool_choice": "auto"}).status == 200
