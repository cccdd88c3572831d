"""Responses that are kept: gone on from, referred to, looked at and forgotten, within bounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from in_process import Application, Told
from openai_judge import judged
from world import Arrived, body, json_reply

from inferpoint.api.openai.responses.store import ResponseStore, Stored

Faces = Callable[..., Application]
CALL = {"content": None, "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": "{}"}}]}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "21"}
SAID = {"content": "Hello"}
STREAM = b'data: {"choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


def asked(ask: Application, given: Any, **more: Any) -> Told:
    return ask("POST", "/v1/responses", {"model": "chat", "input": given, **more})


def answering(*messages: dict[str, Any]) -> Any:
    """A provider that answers with *messages* one after the other, the last again and again."""
    left = list(messages)
    return lambda _: json_reply({"choices": [{"message": left.pop(0) if len(left) > 1 else left[0]}]})


def said(ask: Application) -> list[tuple[str, Any]]:
    """Who said what, in the conversation that the provider was sent last."""
    return [(message["role"], message.get("content")) for message in body(ask.world.provider.calls[-1])["messages"]]


def test_a_response_goes_on_from_another(faces: Faces) -> None:
    """The model sees all that came before, thrice over, and the instructions of this request alone."""
    ask = faces(answering(SAID))
    first = asked(ask, "a", instructions="One.").json
    second = asked(ask, "b", previous_response_id=first["id"], instructions="Two.").json
    assert said(ask) == [("system", "Two."), ("user", "a"), ("assistant", "Hello"), ("user", "b")]
    asked(ask, "c", previous_response_id=second["id"])
    assert said(ask) == [*(("user", "a"), ("assistant", "Hello"), ("user", "b"), ("assistant", "Hello"), ("user", "c"))]
    assert second["previous_response_id"] == first["id"]


def test_a_tools_result_goes_on_from_its_call(faces: Faces) -> None:
    """The call that a result answers may be one that is kept."""
    ask = faces(answering(CALL, SAID))
    first = asked(ask, "w?").json
    assert asked(ask, [RESULT], previous_response_id=first["id"]).json["output"][0]["content"][0]["text"] == "Hello"
    assert [role for role, _ in said(ask)] == ["user", "assistant", "tool"]


@pytest.mark.parametrize("reference", [{"type": "item_reference"}, {}], ids=["type", "no type"])
@pytest.mark.parametrize("stream", [False, True])
def test_an_item_is_referred_to(faces: Faces, reference: dict[str, Any], *, stream: bool) -> None:
    """A client may name what a model said instead of repeating it, also when it was streamed."""
    ask = faces(lambda call: Arrived(200, [STREAM]) if body(call)["stream"] else answering(SAID)(call))
    told = asked(ask, "a", stream=stream)
    response = told.events[-1][1]["response"] if stream else told.json
    item = {**reference, "id": response["output"][0]["id"]}
    assert asked(ask, [{"role": "user", "content": "a"}, item, {"role": "user", "content": "b"}]).status == 200
    assert said(ask) == [("user", "a"), ("assistant", "Hello"), ("user", "b")]


def lost(told: Told) -> tuple[int, Any, Any, str]:
    status, error = told.error
    assert error["type"] == "invalid_request_error"
    return status, error["code"], error["param"], error["message"]


def test_what_is_not_kept_is_told_in_openais_words(faces: Faces) -> None:
    """By 404, with the member of the request that names it."""
    ask = faces(answering(SAID))
    unkept = asked(ask, "a", store=False).json
    assert unkept["store"] is False
    item = unkept["output"][0]["id"]
    for name in (unkept["id"], "resp_nobody"):
        words = f"Previous response with id '{name}' not found."
        expected = (404, "previous_response_not_found", "previous_response_id", words)
        assert lost(asked(ask, "b", previous_response_id=name)) == expected
        assert lost(ask("GET", f"/v1/responses/{name}")) == (404, None, None, f"Response with id '{name}' not found.")
        assert lost(ask("DELETE", f"/v1/responses/{name}"))[0] == 404
        assert lost(ask("GET", f"/v1/responses/{name}/input_items"))[0] == 404
    status, code, param, words = lost(asked(ask, [{"type": "item_reference", "id": item}]))
    assert (status, code, param) == (404, None, "input")
    assert words.startswith(f"Item with id '{item}' not found. Items are not persisted when `store` is set to false.")
    assert asked(ask, "b", previous_response_id=3).status == 400


def test_another_server_knows_nothing_of_it(faces: Faces) -> None:
    """Each server keeps its own."""
    first = asked(faces(answering(SAID)), "a").json
    assert asked(faces(answering(SAID)), "b", previous_response_id=first["id"]).status == 404


def test_a_response_is_looked_at_and_forgotten(faces: Faces) -> None:
    """It comes back as it was answered, until it is deleted, and its items go with it."""
    ask = faces(answering(SAID))
    first = asked(ask, "a").json
    path = f"/v1/responses/{first['id']}"
    assert judged("Response", ask("GET", path).json) == first
    assert ask("GET", path, query="stream=true").status == 400
    second = asked(ask, "b", previous_response_id=first["id"]).json
    assert ask("DELETE", path).json == {"id": first["id"], "object": "response", "deleted": True}
    assert ask("GET", path).status == 404
    assert asked(ask, [{"type": "item_reference", "id": first["output"][0]["id"]}]).status == 404
    assert asked(ask, "c", previous_response_id=second["id"]).status == 200  # which holds what came before it
    assert [role for role, _ in said(ask)] == ["user", "assistant", "user", "assistant", "user"]


def test_the_items_of_an_input_are_listed(faces: Faces) -> None:
    """A page at a time, the latest first or the earliest, each with an id and in OpenAI's form."""
    ask = faces(answering(CALL, SAID))
    first = asked(ask, [{"role": "user", "content": "w?"}]).json
    path = f"/v1/responses/{asked(ask, [RESULT], previous_response_id=first['id']).json['id']}/input_items"
    told = judged("ResponseItemList", ask("GET", path).json)
    assert [item["type"] for item in told["data"]] == ["function_call_output", "function_call", "message"]
    assert told["data"][2]["content"] == [{"type": "input_text", "text": "w?"}]
    names = [item["id"] for item in ask("GET", path, query="order=asc").json["data"]]
    assert names == [item["id"] for item in reversed(told["data"])]
    page = ask("GET", path, query=f"order=asc&limit=1&after={names[0]}").json
    assert ([item["id"] for item in page["data"]], page["has_more"]) == ([names[1]], True)
    assert (page["first_id"], page["last_id"]) == (names[1], names[1])
    rest = ask("GET", path, query=f"order=asc&after={names[2]}").json
    assert (rest["data"], rest["has_more"]) == ([], False)


@pytest.mark.parametrize("query", ["order=up", "limit=0", "limit=101", "limit=x", "limit=" + "9" * 5000, "after=x"])
def test_a_page_that_there_is_not(faces: Faces, query: str) -> None:
    """What is wrong with a query is named."""
    ask = faces(answering(SAID))
    path = f"/v1/responses/{asked(ask, 'a').json['id']}/input_items"
    status, error = ask("GET", path, query=query).error
    assert status == 400
    assert f"[{query.partition('=')[0]}]" in error["message"]


# --- the store --------------------------------------------------------------------------------------------------------


def stored(name: str, size: int = 10) -> Stored:
    return Stored(name, b"x" * (size - 1), (), (), ((f"msg_{name}", b"y"),))


def test_a_caller_sees_only_its_own() -> None:
    """An id that somebody else has is none."""
    store = ResponseStore()
    store.keep("ada", stored("r"), 0)
    assert store.find("ada", "r", 0)
    assert store.find_item("ada", "msg_r", 0) == b"y"
    assert store.find("bob", "r", 0) is None
    assert store.find_item("bob", "msg_r", 0) is None


@pytest.mark.parametrize(
    ("bounds", "left"),
    [
        ({"most": 2}, {"b", "c"}),
        ({"most_bytes": 25}, {"b", "c"}),
        ({"most_bytes": 20}, {"b", "c"}),
        ({"most_bytes": 19}, {"c"}),
        ({"most_bytes": 9}, set()),
        ({"most_seconds": 1}, {"b", "c"}),
        ({"most_seconds": 0}, {"c"}),
        ({}, {"a", "b", "c"}),
    ],
)
def test_what_is_too_much_or_old_is_forgotten(bounds: dict[str, int], left: set[str]) -> None:
    """By count, by bytes and by age; what alone is too large is not kept."""
    store = ResponseStore(**bounds)
    for now, name in enumerate("abc"):
        store.keep("ada", stored(name), now)
    assert {name for name in "abc" if store.find("ada", name, 2)} == left
    assert {name for name in "abc" if store.find_item("ada", f"msg_{name}", 2)} == left


@pytest.mark.parametrize("item", [False, True])
def test_what_is_used_stays(*, item: bool) -> None:
    """A conversation that goes on is not forgotten for one that does not, nor for its age."""
    store = ResponseStore(most=2, most_seconds=10)
    store.keep("ada", stored("a"), 0)
    store.keep("ada", stored("b"), 1)
    assert store.find_item("ada", "msg_a", 8) if item else store.find("ada", "a", 8)
    store.keep("ada", stored("c"), 9)
    assert store.find("ada", "b", 9) is None
    assert store.find("ada", "a", 18)


ACTS = st.lists(
    st.tuples(st.sampled_from(["keep", "find", "drop"]), st.integers(0, 6), st.integers(1, 40)), max_size=40
)


@given(ACTS)
def test_the_bounds_hold_whatever_happens(acts: list[tuple[str, int, int]]) -> None:
    """After any acts there are no more responses and bytes than allowed, and each item's response is there."""
    store, seen, count = ResponseStore(most=3, most_bytes=60, most_seconds=20), dict[str, Stored](), 0
    for now, (act, number, size) in enumerate(acts):
        if act == "keep":
            count += 1
            seen[str(count)] = stored(str(count), size)
            store.keep("ada", seen[str(count)], now)
        elif (found := store.find("ada", str(number), now)) and act == "drop":
            store.drop("ada", found.id)
        left = [one for name, one in seen.items() if store.find_item("ada", f"msg_{name}", now)]
        assert len(left) <= 3
        assert sum(one.size for one in left) <= 60
        assert left == [one for name, one in seen.items() if store.find("ada", name, now)]


def test_a_conversation_that_grows_counts_with_all_it_holds() -> None:
    """A response lives with what came before it, so its size is that of both."""
    first = Stored("a", b"1" * 10, (), (b"2" * 5,), (("m", b"3" * 5),))
    second = Stored("b", b"1" * 10, first.history, (b"2",), ())
    assert (first.size, second.size) == (20, 21)
