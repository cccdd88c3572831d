"""The OpenAPI document says of every route what it takes and answers, and what it says is true."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from described import FACES, OWN, WATCHING, document, every, operation, problems, resolved
from hosting import REQUEST, hosting
from in_process import Application, Told
from world import World, json_reply

from inferpoint.api.face import Route
from inferpoint.api.headers import stats_headers
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Reply
from inferpoint.model.requests import RequestStats
from inferpoint.storage.key_ring import key_ring
from inferpoint.storage.vault import Vault

NAMES = [f"{route.method} {route.path}" for route in every()]
BY_NAME = dict(zip(NAMES, every(), strict=True))
SHOWN = Path(__file__).parent / "shows_page.mjs"
# The endpoint for a body that names none.
ENDPOINTS = {"TextsRequest": "my-embeddings", "RerankRequest": "my-reranker", "UnifiedChatRequest": "my-chat"}
LASTING = {"{inference_id}": "my-embeddings", "{task_type}": "any", "{model}": "my-chat", "{maker}": "big"}


@pytest.mark.parametrize("name", NAMES)
def test_every_route_is_described(name: str) -> None:
    """A route has a summary, which is its function's docstring, and schemas of its body and of its answers."""
    route, described = BY_NAME[name], operation(BY_NAME[name])
    assert described["summary"], "its function has a docstring"
    assert route.form.gives or route.form.streams, "its form names the schema of its answers"
    schemas = document()["components"]["schemas"]
    form = route.form
    assert {*filter(None, (form.takes, form.gives, form.streams))} <= schemas.keys(), "they are its face's"
    assert not form.takes or examples({"$ref": f"#/components/schemas/{form.takes}"}), "its body has an example"
    assert all(one["description"] for one in described["parameters"])


def test_no_two_things_have_one_name() -> None:
    """Operations and the schemas of different faces are told apart."""
    names = Counter(name for face in FACES for name in face.description.schemas())
    assert {name for name, count in names.items() if count > 1} == set()
    ids = [operation(route)["operationId"] for route in every()]
    assert len(set(ids)) == len(ids)


def test_every_operation_but_four_needs_a_key() -> None:
    """Probes, the document and its page are for everybody, and every other one says how to send a key."""
    schemes = document()["components"]["securitySchemes"].values()
    assert {one.get("name") or one["scheme"] for one in schemes} == {"Authorization", "bearer", "basic", "x-api-key"}
    assert len(document()["security"]) == 4
    assert {route.path for route in every() if operation(route).get("security") == []} == {
        "/livez", "/readyz", "/openapi.json", "/docs",
    }  # fmt: skip


def examples(schema: Any) -> list[tuple[str, Any]]:
    """The examples of a body, each with the name of the schema whose it is."""
    name, whole = schema.get("$ref", "").split("/")[-1], resolved(schema)
    own = [(name, example) for example in whole.get("examples", ())]
    return own or [pair for form in whole.get("anyOf", ()) for pair in examples(form)]


def body_schema(route: Route) -> Any:
    return operation(route)["requestBody"]["content"]["application/json"]["schema"]


SENT = [(name, *pair) for name in NAMES if BY_NAME[name].form.takes for pair in examples(body_schema(BY_NAME[name]))]


def provider(call: Call) -> Reply:
    """Answer as OpenAI and Text Embeddings Inference do, streamed where that is asked for."""
    body = json.loads(call.body)
    if "texts" in body:
        return json_reply([{"index": index, "score": 1 / (index + 1)} for index, _ in enumerate(body["texts"])])
    if "input" in body:
        return json_reply({"data": [{"index": index, "embedding": [1, 0.5]} for index, _ in enumerate(body["input"])]})
    message = {"role": "assistant", "content": "Very big."}
    choice = {"index": 0, "message": message, "delta": message, "finish_reason": "stop"}
    answer = {"id": "c", "model": "m", "choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}
    if body.get("stream"):
        return Reply(
            200, b"data: %b\n\ndata: [DONE]\n\n" % json.dumps(answer).encode(), {"content-type": "text/event-stream"}
        )
    return json_reply(answer)


@pytest.fixture
def ask(make_world: Callable[..., World], tmp_path: Path) -> Iterator[Application]:
    """A server with the endpoints and places that the examples name, and a key that it may replace."""
    world = make_world(provider, validate=False)
    world.endpoints.vault = Vault(ring=key_ring(tmp_path, {}, sealed=False))
    world.store.seal_with(world.endpoints.vault)
    settings = {"api_key": "k", "model_id": "m"}
    for name, kind in (("my-embeddings", TaskType.TEXT_EMBEDDING), ("my-chat", TaskType.CHAT_COMPLETION)):
        aliases = ["big/my-chat"] if name == "my-chat" else []
        world.create(name, kind, {"service": "openai", "service_settings": settings, "aliases": aliases})
    reranker = {"service": "hugging_face", "service_settings": {"api_key": "k", "url": "https://tei.test/rerank"}}
    world.create("my-reranker", TaskType.RERANK, reranker)
    with hosting(world, tmp_path) as jobs:
        yield Application(world, extra=OWN, jobs=jobs)


def judged(route: Route, told: Told) -> None:
    """An answer is one that the document describes: its media type, its schema, its headers."""
    answer = operation(route)["responses"]["200"]
    media = told.headers["content-type"].split(";")[0]
    schema = answer["content"][media]["schema"]
    if media == "application/json":
        assert problems(schema, told.json) == []
    elif media == "text/event-stream":
        events = [{"event": each.name, "data": each.data.decode()} for each in told.framed]
        assert events
        assert [problems(schema, event) for event in events] == [[]] * len(events)
    assert {name for name in told.headers if name.startswith("x-inferpoint")} <= answer["headers"].keys()
    assert answer["headers"].keys() <= told.headers.keys()


@pytest.mark.parametrize(("name", "schema", "example"), SENT, ids=[f"{name} {schema}" for name, schema, _ in SENT])
def test_an_example_is_answered_as_described(ask: Application, name: str, schema: str, example: Any) -> None:
    """Every example of a body is one by its schema, and is answered by what the document says."""
    route = BY_NAME[name]
    assert problems(body_schema(route), example) == []
    streams, inference_id = name.endswith("_stream"), ENDPOINTS.get(schema, "made")
    if streams and schema != "UnifiedChatRequest":
        inference_id = "my-words"
        config = {"service": "openai", "service_settings": {"api_key": "k", "model_id": "m"}}
        ask.world.create(inference_id, TaskType.COMPLETION, config)
        if "input_type" in example or schema == "RerankRequest":
            example = {"input": "x"}
    if name.endswith("_update") or "_chunk" in name:
        inference_id = "my-embeddings"
    task = "text_embedding" if name == "PUT /_inference/{task_type}/{inference_id}" else "any"
    path = route.path.replace("{inference_id}", inference_id).replace("{task_type}", task)
    path = path.replace("{credential}", "openai-main")
    headers: dict[str, str] = {}
    if "{id}" in path:
        key = ask("POST", "/_security/api_key", {"name": "a key"}).json
        path, headers = path.replace("{id}", key["id"]), {"authorization": f"ApiKey {key['encoded']}"}
    told = ask(route.method, path, example, headers=headers)
    assert told.status == 200, told.body
    judged(route, told)


@pytest.mark.parametrize("name", [name for name, one in BY_NAME.items() if not one.form.takes and one not in WATCHING])
def test_what_is_asked_without_a_body_is_answered_as_described(ask: Application, name: str) -> None:
    """The answers of all other routes that are the faces' own are by their schemas."""
    route = BY_NAME[name]
    kept = ask("POST", "/v1/responses", {"model": "my-chat", "input": "x"}).json["id"]
    path = route.path.replace("{response}", kept).replace("{model}", "my-chat").replace("{maker}", "big")
    path = path.replace("{inference_id}", "my-embeddings").replace("{credential}", "openai-main")
    assert ask("PUT", "/_inference/_credentials/openai-main", {"value": "sk-example"}).status == 200
    path = path.replace("_services/{task_type}", "_services/rerank").replace("{task_type}", "text_embedding")
    assert "{job}" not in path or ask("POST", "/_inference/_jobs", REQUEST).status == 200
    if name.startswith("DELETE") and "{job}" in path:
        assert ask("POST", "/_inference/_jobs/job/_pause").status == 200
    told = ask(route.method, path.replace("{job}", "job"))
    assert told.status == 200, told.body
    judged(route, told)


def test_the_headers_of_an_inference_are_described() -> None:
    """Those that every inference tells are in the document by their names."""
    assert stats_headers(RequestStats()).keys() <= document()["components"]["headers"].keys()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/_inference/nobody", {"input": "x"}),
        ("/_inference/my-chat", {"messages": []}),
        ("/v1/embeddings", {"model": "nobody", "input": "x"}),
        ("/v1/responses", {"model": "nobody", "input": "x"}),
        ("/v1/messages", {"model": "nobody", "max_tokens": 1, "messages": [{"role": "user", "content": "x"}]}),
        ("/v2/rerank", {"model": "nobody", "query": "x", "documents": ["x"]}),
        ("/v2/rerank", {}),
    ],
)
def test_an_error_is_described_in_its_faces_form(ask: Application, path: str, body: Any) -> None:
    """What is wrong is answered by a status of the document, in its schema."""
    told = ask("POST", path, body)
    route = BY_NAME[f"POST {path}" if f"POST {path}" in BY_NAME else "POST /_inference/{inference_id}"]
    answer = resolved(operation(route)["responses"][str(told.status)])
    assert problems(answer["content"]["application/json"]["schema"], told.json) == []
    assert {"x-inferpoint-error", "x-request-id"} <= answer["headers"].keys() & told.headers.keys()


def test_the_page_runs_nothing_but_its_own(ask: Application) -> None:
    """The policy names the very style and script that stand in the page, which asks no other server for anything."""
    told = ask("GET", "/docs")
    text = told.body.decode()
    policy = dict(part.split(" ", 1) for part in told.headers["content-security-policy"].split("; "))
    for kind in ("style", "script"):
        (inline,) = re.findall(f"<{kind}>(.*?)</{kind}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert policy.pop(f"{kind}-src") == f"'sha256-{digest}'"
    assert policy.pop("connect-src") == "'self'"
    assert set(policy.values()) == {"'none'"}
    assert not re.search(r"https?://|src=|href=|style=|\son\w+=", text)


def test_the_page_shows_every_operation(tmp_path: Path) -> None:
    """Whoever opens the page, behind whatever prefix, sees each operation with its summary and an example of it."""
    (tmp_path / "openapi.json").write_text(json.dumps(document()))
    page = Path(__file__).parents[2] / "src/inferpoint/api/openapi/page.html"
    command = ["node", str(SHOWN), str(page), str(tmp_path / "openapi.json"), "/some/prefix/docs"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    asked, _, text = done.stdout.partition("\n")
    assert asked == "/some/prefix/openapi.json"
    for route in every():
        assert route.path in text
        assert operation(route)["summary"].replace("`", "") in text
    assert "curl -X POST 'http://server.test/some/prefix/v1/embeddings'" in text
