"""`POST /v1/completions`, and chats, on endpoints of completions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from in_process import Application, Told
from openai_judge import judged
from world import COMPLETION, Arrived, body, json_reply, openai

Faces = Callable[..., Application]
USAGE = {"prompt_tokens": 2, "completion_tokens": 3}
CLAUDE = {
    "service": "anthropic",
    "service_settings": {"api_key": "k", "model_id": "m"},
    "task_settings": {"max_tokens": 9},
}
AMAZON = {
    "service": "amazonbedrock",
    "service_settings": {
        "access_key": "a", "secret_key": "s", "region": "us-east-1", "provider": "meta", "model": "m",
    },
}  # fmt: skip


@pytest.fixture
def ask(faces: Faces) -> Application:
    """A server with an endpoint of completions, whose provider says each prompt back."""

    def echo(call: Any) -> Any:
        message = {"content": body(call)["messages"][-1]["content"]}
        return json_reply({"id": "1", "choices": [{"message": message, "finish_reason": "stop"}], "usage": USAGE})

    ask = faces(echo)
    ask.world.create("writes", COMPLETION, openai())
    return ask


def completed(ask: Application, prompt: Any = "hi", **more: Any) -> Told:
    return ask("POST", "/v1/completions", {"model": "writes", "prompt": prompt, **more})


@pytest.mark.parametrize("model", ["writes", "chat"])
def test_a_prompt_is_one_users_turn(ask: Application, model: str) -> None:
    """On an endpoint of completions, and on one of chats; how to write is said as in a chat."""
    more = {"max_tokens": 5, "temperature": 1, "top_p": 0.5, "stop": ["x"], "seed": 7, "user": "ada", "n": 1}
    told = judged("CreateCompletionResponse", completed(ask, model=model, best_of=1, echo=False, **more).json)
    assert told["choices"] == [{"text": "hi", "index": 0, "logprobs": None, "finish_reason": "stop"}]
    assert (told["object"], told["model"], told["usage"]["total_tokens"]) == ("text_completion", model, 5)
    assert told["id"].startswith("cmpl-")
    sent = body(ask.world.provider.calls[-1])
    assert sent["messages"] == [{"role": "user", "content": "hi"}]
    members = ("max_completion_tokens", "temperature", "top_p", "stop", "seed", "user")
    assert [sent[name] for name in members] == [5, 1, 0.5, ["x"], 7, "ada"]


def test_several_prompts_are_as_many_choices(ask: Application) -> None:
    """In the prompts' order, with the cost of all of them."""
    told = completed(ask, ["a", "b", "c"]).json
    assert [(choice["index"], choice["text"]) for choice in told["choices"]] == [(0, "a"), (1, "b"), (2, "c")]
    assert told["usage"]["total_tokens"] == 15


def test_one_prompt_that_fails_fails_them_all(faces: Faces) -> None:
    """There is no answer with a gap."""
    ask = faces(lambda call: json_reply({"error": {"message": "no"}}, 400 if b'"b"' in call.body else 200))
    ask.world.create("writes", COMPLETION, openai())
    status, error = completed(ask, ["b", "b"]).error
    assert status == 400
    assert "no" in error["message"]


def test_a_stream_of_text(faces: Faces) -> None:
    """Chunks of text, the reason, the cost only when asked, and the mark of the end."""
    chunks = [{"delta": {"content": "Ve"}}, {"delta": {"content": "ry"}}, {"delta": {}, "finish_reason": "length"}]
    pieces = [b"data: " + json.dumps({"choices": [{"index": 0, **chunk}]}).encode() + b"\n\n" for chunk in chunks]
    pieces += [b"data: " + json.dumps({"choices": [], "usage": USAGE}).encode() + b"\n\n", b"data: [DONE]\n\n"]
    ask = faces(lambda _: Arrived(200, pieces))
    ask.world.create("writes", COMPLETION, openai())
    *told, done = [data for _, data in completed(ask, stream=True).events]
    assert done == "[DONE]"
    assert [chunk["choices"][0]["text"] for chunk in told] == ["Ve", "ry", ""]
    assert [chunk["choices"][0]["finish_reason"] for chunk in told] == [None, None, "length"]
    assert len({(chunk["id"], chunk["object"], chunk["created"]) for chunk in told}) == 1
    *told, last, _ = [data for _, data in completed(ask, stream=True, stream_options={"include_usage": True}).events]
    assert all(chunk["usage"] is None for chunk in told)
    assert (last["choices"], last["usage"]["total_tokens"]) == ([], 5)


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"prompt": None}, "[prompt] is required"),
        ({"prompt": []}, "[prompt] must be a string or an array"),
        ({"prompt": [1, 2]}, "tokens are not taken"),
        ({"prompt": ["a"] * 129}, "1 to 128 strings"),
        ({"prompt": ["a", "b"], "stream": True}, "[prompt] must be one string where [stream] is true"),
        ({"n": 2}, "[n] must be 1"),
        ({"best_of": 2}, "[best_of] must be 1"),
        ({"echo": True}, "[echo] is not supported"),
        ({"suffix": "x"}, "[suffix] is not supported"),
        ({"logprobs": 3}, "[logprobs] is not supported"),
        ({"max_tokens": "many"}, "[max_tokens] must be an integer"),
        ({"model": "vectors"}, "[vectors] has the task_type [text_embedding] and cannot chat"),
        ({"model": None}, "[model] is required"),
        ({"model": "claude", "seed": 7}, "[seed]"),
    ],
)
def test_what_is_wrong_is_named(ask: Application, more: Any, problem: str) -> None:
    """Before any provider is called."""
    status, error = completed(ask, **more).error
    assert (status, error["type"]) == (400, "invalid_request_error")
    assert problem in error["message"]
    assert ask.world.provider.calls == []


# --- chats on endpoints of completions --------------------------------------------------------------------------------


def test_an_endpoint_of_completions_chats(ask: Application) -> None:
    """With tools and turns, as its service's chats do."""
    tool = {"type": "function", "function": {"name": "f"}}
    messages = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
    ]
    told = ask("POST", "/v1/chat/completions", {"model": "writes", "messages": messages, "tools": [tool]})
    assert told.json["choices"][0]["message"]["content"] == "c"
    assert body(ask.world.provider.calls[-1])["tools"] == [tool]


def test_the_answer_of_a_chat_is_one_choice_there_too(faces: Faces) -> None:
    """Claude's blocks of text are several results of a completion, and one message of a chat."""
    blocks = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    ask = faces(lambda _: json_reply({"id": "m", "model": "m", "content": blocks, "stop_reason": "end_turn"}))
    ask.world.create("writes", COMPLETION, CLAUDE)
    messages = [{"role": "user", "content": "hi"}]
    told = ask("POST", "/v1/chat/completions", {"model": "writes", "messages": messages}).json
    assert [choice["message"]["content"] for choice in told["choices"]] == ["ab"]
    assert [choice["text"] for choice in completed(ask).json["choices"]] == ["ab"]


@pytest.mark.parametrize("name", ["tei", "vectors", "ranks"])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/responses"])
def test_other_endpoints_say_what_they_are(ask: Application, path: str, name: str) -> None:
    """The refusal names the endpoint's own type and those that chat, and asks for nothing that was asked already."""
    given = {"model": name, "messages": [{"role": "user", "content": "hi"}]}
    given = given if "chat" in path else {"model": name, "prompt" if "completions" in path else "input": "hi"}
    status, error = ask("POST", path, given).error
    assert status == 400
    assert f"The endpoint [{name}] has the task_type [" in error["message"]
    assert error["message"].endswith("a chat needs an endpoint of [chat_completion] or [completion]")


def test_a_completion_is_bounded_by_what_its_request_says(faces: Faces) -> None:
    """Bedrock's completions have 64 tokens unless set; a chat on the endpoint has as many as the model gives."""
    ask = faces(lambda _: json_reply({"output": {"message": {"content": [{"text": "a"}]}}, "stopReason": "end_turn"}))
    ask.world.create("writes", COMPLETION, AMAZON)
    assert completed(ask).status == 200
    assert "inferenceConfig" not in body(ask.world.provider.calls[-1])
    assert completed(ask, max_tokens=5).status == 200
    assert body(ask.world.provider.calls[-1])["inferenceConfig"] == {"maxTokens": 5}
