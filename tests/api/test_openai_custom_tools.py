"""Custom tools of `/v1/responses`, such as Codex's `apply_patch`: a text to the client, a function to every model."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from in_process import Application, Told
from world import Arrived, body, json_reply

Faces = Callable[..., Application]
GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}
PATCH = {"type": "custom", "name": "apply_patch", "description": "Edit files.", "format": GRAMMAR}
TEXT = '*** Begin Patch\n+"é"\n*** End Patch'
USER = {"role": "user", "content": "Fix it."}


def calling(arguments: str, name: str = "apply_patch") -> Callable[..., Any]:
    """A provider whose model calls a function, with *arguments* in pieces where they are streamed."""

    def answer(call: Any) -> Any:
        made = {"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}
        if not body(call)["stream"]:
            return json_reply({"choices": [{"message": {"content": None, "tool_calls": [made]}}]})
        pieces = [arguments[place : place + 3] for place in range(0, len(arguments), 3)]
        deltas = [{**made, "index": 0, "function": {"name": name, "arguments": ""}}]
        deltas += [{"index": 0, "function": {"arguments": piece}} for piece in pieces]
        chunks: list[Any] = [{"choices": [{"delta": {"tool_calls": [delta]}}]} for delta in deltas]
        ended = {"choices": [{"delta": dict[str, Any](), "finish_reason": "tool_calls"}]}
        told = [json.dumps(chunk) for chunk in (*chunks, ended)]
        return Arrived(200, [f"data: {line}\n\n".encode() for line in [*told, "[DONE]"]])

    return answer


def asked(ask: Application, given: Any = (USER,), **more: Any) -> Told:
    told = ask(
        "POST", "/v1/responses", {"model": "chat", "input": list(given), "tools": [PATCH], "store": False, **more}
    )
    assert told.status == 200, told.body
    return told


def test_a_model_is_told_of_a_function_of_one_text(ask: Application) -> None:
    """Its description has the grammar, as no other API has a place for it; the client is told its own tool back."""
    told = asked(ask, tool_choice={"type": "custom", "name": "apply_patch"})
    assert told.json["tools"] == [PATCH]
    sent = body(ask.world.provider.calls[-1])
    (function,) = (tool["function"] for tool in sent["tools"])
    assert function["description"] == "Edit files.\n\nThe input must be of this lark grammar:\nstart: /.+/"
    assert function["parameters"]["required"] == ["input"]
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "apply_patch"}}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (json.dumps({"input": TEXT}), TEXT),
        ('{"patch":"x"}', '{"patch":"x"}'),
        ("{}", "{}"),
        ('{"input": 3}', '{"input": 3}'),
    ],
)
def test_a_call_comes_back_as_a_text(faces: Faces, arguments: str, text: str) -> None:
    """Whole and streamed alike; what a model wrote in another form is handed on as it is."""
    ask = faces(calling(arguments))
    (whole,) = asked(ask).json["output"]
    item = {"type": "custom_tool_call", "status": "completed", "call_id": "c1", "name": "apply_patch", "input": text}
    assert {**whole, "id": ""} == {**item, "id": ""}
    events = [event for _, event in asked(ask, stream=True).events]
    assert {**events[-1]["response"]["output"][0], "id": ""} == {**item, "id": ""}
    added, delta, done = (event for event in events if event.get("item_id") or event["type"].endswith("item.added"))
    assert (added["item"]["type"], added["item"]["input"]) == ("custom_tool_call", "")
    assert (delta["type"], delta["delta"]) == ("response.custom_tool_call_input.delta", text)
    assert (done["type"], done["input"]) == ("response.custom_tool_call_input.done", text)


def test_a_call_and_its_result_go_back(faces: Faces) -> None:
    """The model sees the function that it called, with the same text, and what the tool said."""
    ask = faces(calling(json.dumps({"input": TEXT})))
    (item,) = asked(ask).json["output"]
    result = {"type": "custom_tool_call_output", "call_id": "c1", "output": "Done."}
    asked(ask, [USER, item, result])
    _, call, answer = body(ask.world.provider.calls[-1])["messages"]
    function = call["tool_calls"][0]["function"]
    assert (function["name"], json.loads(function["arguments"])) == ("apply_patch", {"input": TEXT})
    assert (answer["tool_call_id"], answer["content"]) == ("c1", "Done.")


@pytest.mark.parametrize(
    ("tool", "problem"),
    [
        ({"type": "custom"}, "[tools[0].name] is required"),
        ({**PATCH, "format": {"type": "regex"}}, "[tools[0].format.type] must be one of [text, grammar], not [regex]"),
        ({**PATCH, "format": {"type": "grammar"}}, "[tools[0].format.syntax] is required"),
        ({**PATCH, "flavour": 1}, "[tools[0].flavour] is not supported"),
    ],
)
def test_what_is_wrong_with_one_is_refused_by_name(ask: Application, tool: Any, problem: str) -> None:
    """The member that is wrong is named."""
    told = ask("POST", "/v1/responses", {"model": "chat", "input": "a", "tools": [tool]})
    assert told.status == 400
    assert problem in told.json["error"]["message"]
