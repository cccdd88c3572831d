from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from clock import settle
from hypothesis import given
from hypothesis import strategies as st
from in_process import CLIENT, Application, Told, chunk, head
from world import EMBEDDING, World, openai

from inferpoint.api.elastic.routes import FACE
from inferpoint.api.face import Response, Route
from inferpoint.api.router import Router

ROUTER = Router(FACE.routes)


@pytest.fixture
def ask(make_world: Callable[..., World]) -> Application:
    """Asks a server, without a network between."""
    world = make_world(validate=False)
    world.create("e", EMBEDDING, openai())
    return Application(world, most=1000)


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("", "/"),
        ("_inference", "/_inference"),
        ("_inference/_all", "/_inference/_all"),
        ("_inference/_services", "/_inference/_services"),
        ("_inference/_quotas", "/_inference/_quotas"),
        ("_inference/_services/completion", "/_inference/_services/{task_type}"),
        ("_inference/e", "/_inference/{inference_id}"),
        ("_inference/completion/e", "/_inference/{task_type}/{inference_id}"),
        ("_inference/e/_stream", "/_inference/{inference_id}/_stream"),
        ("_inference/completion/e/_stream", "/_inference/{task_type}/{inference_id}/_stream"),
        ("_inference/e/_update", "/_inference/{inference_id}/_update"),
        ("_inference/a/b/c", None),
        ("_inferences", None),
        ("_inference/a/b/c/d", None),
    ],
)
def test_a_literal_segment_wins_over_a_variable_one(path: str, pattern: str | None) -> None:
    """Words of the API are never taken for names, and every other segment is one."""
    found = ROUTER.find([part for part in path.split("/") if part])
    assert (found and found.pattern) == pattern


def test_the_earlier_literal_is_the_stronger() -> None:
    """Of two patterns that fit, the one that is literal further to the left is taken, in whatever order they came."""

    async def act(_engine: Any, _incoming: Any) -> Any: ...

    for order in (("/a/{x}", "/{y}/b"), ("/{y}/b", "/a/{x}")):
        found = Router([Route("GET", path, act) for path in order]).find(["a", "b"])
        assert found is not None
        assert (found.pattern, found.path_params) == ("/a/{x}", {"x": "b"})


@given(st.text(min_size=1).filter(lambda name: name not in ("_all", "_services", "_quotas")))
def test_any_name_is_a_name(name: str) -> None:
    """A variable segment holds any text."""
    found = ROUTER.find(["_inference", name])
    assert found is not None
    assert found.path_params == {"inference_id": name}


def test_percent_encoded_segments_are_decoded_once(ask: Application) -> None:
    """An encoded slash is part of a name, an encoded name is the name, and an encoding of an encoding is itself."""
    assert ask("GET", "/_inference/%65").json["endpoints"][0]["inference_id"] == "e"
    assert ask("GET", "/%5Finference/_all").status == 200
    for name in ("a/b", "%65", "ü", "a b", "\N{SNOWMAN}"):
        found = ask("GET", f"/_inference/{quote(name, safe='')}")
        assert (found.status, found.json["error"]["reason"]) == (404, f"Inference endpoint not found [{name}]")
    assert ask("GET", "/_inference/%FF%").status == 404


def test_empty_segments_are_passed_over(ask: Application) -> None:
    """A slash too many changes nothing."""
    assert ask("GET", "//_inference//e/").json["endpoints"][0]["inference_id"] == "e"


def test_a_path_that_is_none_and_a_method_that_is_none(ask: Application) -> None:
    """404 and 405 have Elasticsearch's form, and a 405 says what is allowed."""
    found = ask("GET", "/nowhere")
    assert (found.status, found.json) == (
        404,
        {"error": "no handler found for uri [/nowhere] and method [GET]", "status": 404},
    )
    found = ask("PATCH", "/_inference/e")
    assert (found.status, found.headers["allow"]) == (405, "DELETE, GET, POST, PUT")
    assert found.json["error"].startswith("Incorrect HTTP method for uri [/_inference/e] and method [PATCH]")


def test_head_is_get_without_a_body(ask: Application) -> None:
    """HEAD has GET's status and headers."""
    get, head = ask("GET", "/"), ask("HEAD", "/")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", get.headers["content-length"])


@pytest.mark.parametrize("query", ["pretty=maybe", "pretty=maybe&error_trace=x", "human=1", "error_trace=no"])
def test_a_flag_that_is_none_is_an_answer(ask: Application, query: str) -> None:
    """A wrong flag is a 400 in JSON on every path, and no path fails to answer it."""
    found = ask("GET", "/_inference/e", query=query)
    assert (found.status, found.json["error"]["type"]) == (400, "illegal_argument_exception")
    for method, path, status in (("GET", "/nowhere", 404), ("PATCH", "/", 405)):
        assert ask(method, path, query=query).status == status
    assert ask("GET", "/", query=query, headers={"host": "evil.test"}).status == 403


def test_a_filter_is_applied_to_errors_too(ask: Application) -> None:
    """`filter_path` holds for every answer of JSON."""
    assert ask("GET", "/_inference/none", query="filter_path=status").json == {"status": 404}
    assert ask("GET", "/nowhere", query="filter_path=-error&pretty").body == b'{\n  "status": 404\n}\n'


def test_a_body_that_is_too_large_is_a_413_and_closes(ask: Application) -> None:
    """What was not read is not taken for the next request."""
    found = ask("PUT", "/_inference/x", b"x" * 1001)
    assert (found.status, found.headers["connection"]) == (413, "close")


def test_a_body_without_a_length_is_read_no_further_than_is_taken(ask: Application) -> None:
    """A body in pieces that never said how long it is is a 413, and what is beyond the limit stays unread."""
    pieces = iter([chunk(b"x" * 400)] * 99)

    async def send() -> Told:
        caller = ask.caller()
        headers = {"host": "localhost", "transfer-encoding": "chunked"}
        caller.say(head("PUT /_inference/x HTTP/1.1", headers))
        await settle()
        while not caller.told:
            caller.say(next(pieces))
            await settle()
        await caller.answered()
        return Told(caller.told)

    told = ask.world.run(send())
    assert (told.status, told.headers["connection"]) == (413, "close")
    assert len(list(pieces)) == 96


def test_a_header_that_http_cannot_carry_is_no_crash(world: World) -> None:
    """What a service warns of may be in any script: letters that have no place in a header become question marks."""

    async def warn(_engine: Any, _incoming: Any) -> Response:
        return Response(headers={"warning": "trop salé \N{SNOWMAN}"})

    found = Application(world, extra=[Route("GET", "/odd", warn)])("GET", "/odd")
    assert (found.status, found.headers["warning"]) == (200, "trop salé ?")


def test_every_answer_has_an_id_of_its_own(ask: Application) -> None:
    """Two requests can be told from each other in the log."""
    assert ask("GET", "/").headers["x-request-id"] != ask("GET", "/").headers["x-request-id"]
    assert ask("GET", "/", headers={"x-opaque-id": "mine"}).headers["x-opaque-id"] == "mine"


def test_a_wrong_path_is_told_before_a_missing_body(ask: Application) -> None:
    """Elasticsearch's order: the task type of the path, then whether there is a body, then what is in it."""
    for path in ("/_inference/nothing/x", "/_inference/nothing/x/_update"):
        assert ask("PUT", path).json["error"]["reason"] == "Unknown task_type [nothing]"
    for path in ("/_inference/completion/UPPER", "/_inference/UPPER/_update"):
        assert ask("PUT", path).json["error"]["reason"] == "request body is required"
        assert "Invalid inference_id; 'UPPER'" in ask("PUT", path, b"{}").json["error"]["reason"]


@pytest.mark.parametrize("end", ["", "/_stream", "/_chunk"])
def test_the_task_type_of_a_path_is_the_endpoints(ask: Application, end: str) -> None:
    """Whatever is asked of an endpoint, under another task type it is refused."""
    told = ask("POST", f"/_inference/sparse_embedding/e{end}", {"input": "a"})
    assert told.status == 400
    assert (
        "Incompatible task_type, the requested type [sparse_embedding] does not match the model type [text_embedding]"
        in told.body.decode()
    )


def test_every_request_is_told_of(ask: Application) -> None:
    """What the access log has: the request as it came, its route, its caller's name for it, and what came of it."""
    answers = [ask("POST", f"/_inference/{name}", {"input": "a"}, headers={"x-opaque-id": "mine"}) for name in "ex"]
    whys = (
        {"endpoint": "e", "attempts": 1, "kind": "", "reason": ""},
        {"endpoint": "", "attempts": 0, "kind": "not_found", "reason": "Inference endpoint not found [x]"},
    )
    shared = {"caller": "anonymous", "method": "POST", "route": "/_inference/{inference_id}", "opaque_id": "mine"}
    assert [msgspec.structs.asdict(answered) for answered in ask.world.log] == [
        {
            **shared,
            "time": ask.world.clock.now(),
            "request_id": told.headers["x-request-id"],
            "path": f"/_inference/{name}",
            "status": told.status,
            "seconds": 0.0,
            "size": len(told.body),
            "level": "info",
            "client": CLIENT,
            "certificate": "",
            **why,
        }
        for name, told, why in zip("ex", answers, whys, strict=True)
    ]
    counted = ask.world.run(ask.world.telemetry.exposition()).decode().splitlines()
    assert 'inferpoint_request_seconds_count{route="/_inference/{inference_id}"} 2.0' in counted


def test_an_update_has_a_timeout(ask: Application) -> None:
    """The parameter is read, and not passed over."""
    found = ask("PUT", "/_inference/e/_update", b'{"task_settings": {"user": "u"}}', "timeout=soon")
    assert found.status == 400
    assert "[timeout] with value [soon]" in found.json["error"]["reason"]


ELASTIC = "Incorrect HTTP method for uri [/_inference/_quotas] and method [PUT], allowed: [GET]"
OPENAI = {"type": "invalid_request_error", "param": None}


@pytest.mark.parametrize(
    ("method", "path", "allowed", "body"),
    [
        ("GET", "/x", None, {"error": "no handler found for uri [/x] and method [GET]", "status": 404}),
        ("PUT", "/_inference/_quotas?error_trace", "GET", {"error": ELASTIC, "status": 405}),
        ("GET", "/v1/x", None, {"error": {"message": "Invalid URL (GET /v1/x)", "code": "unknown_url", **OPENAI}}),
        (
            "PUT", "/v1/models", "GET",
            {"error": {
                "message": "Not allowed to PUT on /v1/models, only to GET", "code": "method_not_supported", **OPENAI,
            }},
        ),
        (
            "GET", "/v1/messages/x", None,
            {"type": "error", "error": {"type": "not_found_error", "message": "No such path: /v1/messages/x"}},
        ),
        (
            "PUT", "/v1/messages", "POST",
            {"type": "error", "error": {
                "type": "invalid_request_error", "message": "Not allowed to PUT on /v1/messages, only to POST",
            }},
        ),
        ("GET", "/v2/{x}", None, {"message": "no such address: GET /v2/{x}"}),
        ("PUT", "/v2/rerank", "POST", {"message": "/v2/rerank takes POST, not PUT"}),
    ],
)  # fmt: skip
def test_every_face_words_a_path_and_a_method_that_is_none(
    ask: Application, method: str, path: str, allowed: str | None, body: Any
) -> None:
    """Each face tells in its own form that it has no such path, or not for this method; a 405 says what is allowed."""
    path, _, query = path.partition("?")
    answer = ask(method, path, query=query)
    assert (answer.status, answer.headers.get("allow")) == (404 if allowed is None else 405, allowed)
    assert {name: member for name, member in answer.json.items() if name != "request_id"} == body
