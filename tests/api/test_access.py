"""Every route of every face: for whom it is, and what others are told."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from in_process import Application, Told, request
from making_keys import caller, make, management
from world import COMPLETION, EMBEDDING, HANG, Answer, Arrived, World, openai

from inferpoint.access.callers import Callers
from inferpoint.access.credentials import Credentials
from inferpoint.access.management import Wanted
from inferpoint.api import operations
from inferpoint.api.elastic.jobs import JobRoutes
from inferpoint.api.elastic.security import Security
from inferpoint.api.face import Route
from inferpoint.app import faces as all_faces
from inferpoint.model.requests import ANONYMOUS, INTERNAL, Caller

Make = Callable[..., Application]

TALK = [{"role": "user", "content": "hi"}]
MONITOR, MANAGE, KEYS = "monitor_inference", "manage_inference", "manage_api_key"
FIRST = b'data: {"id":"1","model":"m","choices":[{"index":0,"delta":{"content":"x"}}]}\n\n'
# A body for each route that names its endpoint in it; one for a route that is new must be added.
NAMING: Mapping[str, Mapping[str, Any]] = {
    "/v1/embeddings": {"input": "a"},
    "/v1/chat/completions": {"messages": TALK},
    "/v1/completions": {"prompt": "a"},
    "/v1/responses": {"input": "a"},
    "/v1/messages": {"messages": TALK, "max_tokens": 5},
    "/v1/messages/count_tokens": {"messages": TALK},
    "/v2/rerank": {"query": "q", "documents": ["a"]},
    "/v1/rerank": {"query": "q", "documents": ["a"]},
    "/v2/embed": {"texts": ["a"], "input_type": "search_query", "embedding_types": ["float"]},
}
# And for each that has it in the path and a body.
BODIES: Mapping[str, Mapping[str, Any]] = {
    "_update": {"service_settings": {"api_key": "new"}},
    "_chunk": {"input": ["a"]},
    "PUT": {**openai(), "task_type": "text_embedding"},
    "POST": {"input": ["a"]},
}


async def nothing() -> bytes:
    return b""


WATCHING = operations.routes(nothing, stopping=lambda: False)


def routes() -> list[Route]:
    """Every route that a server has."""
    own: Any = None
    return [
        *(route for face in all_faces() for route in face.routes),
        *WATCHING,
        *Security(own).routes(),
        *JobRoutes(None).routes(),
    ]


ROUTES = routes()
IDS = [f"{route.method} {route.path}" for route in ROUTES]


@pytest.fixture
def make_faces(make_world: Callable[..., World], faces: Make) -> Make:
    """A function that makes a server with keys, endpoints and routes that watch it."""

    def made(answer: Answer | None = None) -> Application:
        world = faces(answer).world
        world.create("text", COMPLETION, openai())
        world.create("mine-vectors", EMBEDDING, openai({"model_id": "other"}))
        make(world)
        return Application(world, extra=WATCHING)

    return made


@pytest.fixture
def closed(make_faces: Make) -> Application:
    """A server with keys."""
    return make_faces()


def path_of(route: Route, name: str) -> str:
    """The path of a route, with an endpoint's *name* in it where it has one."""
    path = route.path.replace("{task_type}", "text_embedding").replace("{response}", "resp_1")
    return re.sub(r"\{(inference_id|model|id)\}", name, path).replace("{maker}/", "")


def bearing(key: Credentials) -> dict[str, str]:
    return {"authorization": f"ApiKey {key.encoded}"}


@pytest.mark.parametrize("route", ROUTES, ids=IDS)
def test_no_route_without_a_key_but_for_probes(closed: Application, route: Route) -> None:
    """Without a key, or with a wrong one, nothing is answered but 401, before a byte of the body is there."""
    for headers in ({}, {"authorization": "ApiKey wrong"}, {"x-api-key": "wrong"}):
        heads: dict[str, str] = {"content-length": "10", "expect": "100-continue", **headers}
        if route.keyless or route.method == "GET":
            heads["content-length"] = "0"
        told = closed(route.method, path_of(route, "vectors"), headers=heads)
        if route.keyless:
            assert told.status == 200
            continue
        assert told.status == 401
        assert told.headers["www-authenticate"].startswith("ApiKey, Bearer")
        assert "error" in told.json or "message" in told.json
        assert b"wrong" not in told.body
    assert not closed.world.provider.calls


def test_only_probes_are_for_everybody() -> None:
    """Two routes need no key, and no other ever does without somebody's deciding so."""
    assert [route.path for route in ROUTES if route.keyless] == ["/livez", "/readyz"]
    free = {route.path for route in ROUTES if route.action.privilege is None and not route.keyless}
    assert free == {"/", "/_security/_authenticate", "/_security/user/_has_privileges"}


def test_what_is_nowhere_is_told_to_nobody(closed: Application) -> None:
    """A stranger does not learn which paths and methods there are."""
    for method, path in (("GET", "/none"), ("DELETE", "/_inference"), ("OPTIONS", "/v1/models"), ("GET", "/v1/none")):
        assert closed(method, path).status == 401


OTHERS = {MONITOR: [KEYS], MANAGE: [MONITOR, KEYS], KEYS: [MANAGE]}


@pytest.mark.parametrize("route", ROUTES, ids=IDS)
def test_a_key_without_the_privilege_is_told_which(closed: Application, route: Route) -> None:
    """403 names the action and the privileges that grant it, and nobody's body is read for it."""
    needed = route.action.privilege
    if route.keyless or needed is None:
        assert closed(route.method, path_of(route, "vectors"), headers=bearing(make(closed.world)[1])).status in (
            200,
            400,
        )
        return
    key, known = make(closed.world, *OTHERS[needed])
    heads = bearing(known) if route.method == "GET" else {**bearing(known), "content-length": "10"}
    told = closed(route.method, path_of(route, "vectors"), headers=heads)
    assert told.status == 403
    words = told.body.decode()
    assert f"action [{route.action.name}] is unauthorized for API key id [{key.id}]" in words
    assert f"granted by the cluster privileges [{needed}," in words or f"privileges [{needed}]" in words
    assert known.secret not in words


def same(closed: Application, outside: Told, missing: Told) -> None:
    """Both answers are one, but for the name and the request's id."""

    def plain(told: Told) -> str:
        body = told.body.decode().replace(told.headers["x-request-id"], "")
        return re.sub("vectors|missing", "name", body)

    assert (outside.status, plain(outside)) == (missing.status, plain(missing))
    assert 400 <= outside.status < 500
    assert not closed.world.provider.calls


@pytest.mark.parametrize("route", ROUTES, ids=IDS)
def test_an_endpoint_of_others_is_one_that_is_not_there(closed: Application, route: Route) -> None:
    """Whatever is asked of an endpoint outside a key's list has the answer of one that does not exist."""
    _, known = make(closed.world, MANAGE, inference_ids=["mine-*"])
    in_path = "{inference_id}" in route.path or "{model}" in route.path
    if not in_path and not (route.infers and route.form.takes):
        return
    answers: list[Told] = []
    for name in ("vectors", "missing"):
        body: Any = None
        if in_path and route.form.takes:
            body = BODIES.get(route.path.rpartition("/")[2], BODIES[route.method])
        elif route.form.takes:
            body = {**NAMING[route.path], "model": name}
        answers.append(closed(route.method, path_of(route, name), body, headers=bearing(known)))
    same(closed, *answers)
    assert answers[0].status == (403 if route.method == "PUT" and not route.path.endswith("_update") else 404)
    assert closed.world.endpoints.exists("vectors")


def test_the_words_of_a_missing_endpoint_name_none_of_others(closed: Application) -> None:
    """What is meant by a misspelt name is said of a key's own endpoints alone."""
    closed.world.update("vectors", {"aliases": ["alias-of-others"]})
    _, known = make(closed.world, MANAGE, inference_ids=["mine-*"])
    for name, hint in (("vector", ""), ("alias-of-others", ""), ("mine-vector", ", did you mean [mine-vectors]")):
        told = closed("GET", f"/_inference/{name}", headers=bearing(known))
        assert (told.status, told.json["error"]["reason"]) == (404, f"Inference endpoint not found [{name}]{hint}")


def test_lists_have_a_keys_own(closed: Application) -> None:
    """What is listed, exported and counted for a key are the endpoints that it is for."""
    _, known = make(closed.world, MONITOR, inference_ids=["mine-*"])
    heads = bearing(known)
    for path in ("/_inference", "/_inference/_all", "/_inference/text_embedding/_all", "/_inference/_export"):
        assert [one["inference_id"] for one in closed("GET", path, headers=heads).json["endpoints"]] == ["mine-vectors"]
    assert [one["id"] for one in closed("GET", "/v1/models", headers=heads).json["data"]] == ["mine-vectors"]
    versioned = {**heads, "anthropic-version": "2023-06-01"}
    assert [one["id"] for one in closed("GET", "/v1/models", headers=versioned).json["data"]] == ["mine-vectors"]
    quotas = closed("GET", "/_inference/_quotas", headers=heads).json["quotas"]
    assert [one["inference_ids"] for one in quotas] == [["mine-vectors"]]


def test_metrics_have_a_keys_own(make_faces: Make) -> None:
    """The lines of other rate groups are not for a key that is held to some endpoints."""
    world = make_faces().world
    ask = Application(world, extra=operations.routes(world.telemetry.exposition, stopping=lambda: False))
    everything, own = make(world, MONITOR)[1], make(world, MONITOR, inference_ids=["mine-*"])[1]
    for inference_id in ("vectors", "mine-vectors"):
        body = {"model": inference_id, "input": "a"}
        assert ask("POST", "/v1/embeddings", body, headers=bearing(everything)).status == 200
    groups = [
        set(re.findall(r'group="([^"]+)"', ask("GET", "/metrics", headers=bearing(key)).body.decode()))
        for key in (everything, own)
    ]
    assert (len(groups[0]), groups[1]) == (2, {world.endpoints.find("mine-vectors").group})


@pytest.mark.parametrize(
    ("held", "path", "status"),
    [
        ({"inference_ids": ["vectors"]}, "/_inference/vectors", 200),
        ({"inference_ids": ["*tors"]}, "/_inference/vectors", 200),
        ({"inference_ids": ["v*c*s"]}, "/_inference/vectors", 200),
        ({"inference_ids": ["v"]}, "/_inference/vectors", 404),
        ({"inference_ids": []}, "/_inference/vectors", 404),
        ({"task_types": ["text_embedding"]}, "/_inference/vectors", 200),
        ({"task_types": ["completion"]}, "/_inference/vectors", 404),
        ({"task_types": ["completion"], "inference_ids": ["*"]}, "/_inference/text", 200),
        ({"inference_ids": ["vectors"]}, "/_inference/known-as", 200),
        ({"inference_ids": ["known-*"]}, "/_inference/known-as", 404),
    ],
)
def test_the_endpoints_own_id_decides(closed: Application, held: dict[str, Any], path: str, status: int) -> None:
    """Patterns and task types hold an endpoint by its own id: a name that somebody gave it opens nothing."""
    closed.world.update("vectors", {"aliases": ["known-as"]})
    _, known = make(closed.world, MONITOR, **held)
    assert closed("POST", path, {"input": "a"}, headers=bearing(known)).status == status


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "/_inference/text_embedding/mine-new", {**openai(), "aliases": ["mine-alias"]}, 200),
        ("PUT", "/_inference/text_embedding/mine-new", {**openai(), "aliases": ["theirs"]}, 403),
        ("PUT", "/_inference/text_embedding/mine-new", {**openai(), "aliases": ["never-was"]}, 403),
        ("PUT", "/_inference/text_embedding/new", openai(), 403),
        ("PUT", "/_inference/completion/mine-new", openai(), 403),
        ("PUT", "/_inference/mine-vectors/_update", {"aliases": ["theirs"]}, 403),
        ("PUT", "/_inference/mine-vectors/_update", {"aliases": ["never-was"]}, 403),
        ("PUT", "/_inference/mine-vectors/_update", {"aliases": ["mine-other"], "force": True}, 400),
        ("PUT", "/_inference/mine-vectors/_update", {"aliases": ["mine-alias"]}, 200),
        ("PUT", "/_inference/mine-named/_update", {"aliases": []}, 403),
        ("DELETE", "/_inference/mine-named", None, 200),
    ],
)
def test_a_name_needs_the_right_to_it(closed: Application, method: str, path: str, body: Any, status: int) -> None:
    """Making, moving and dropping an alias needs the right to both names, whether the other one exists or not."""
    world = closed.world
    world.update("vectors", {"aliases": ["theirs", "mine-other"]})
    world.create("mine-named", EMBEDDING, openai(aliases=["shared"]))
    _, known = make(world, MANAGE, inference_ids=["mine-*"], task_types=["text_embedding"])
    told = closed(method, path, body, headers=bearing(known))
    assert told.status == status, told.body
    assert world.endpoints.find("theirs").endpoint.inference_id == "vectors"
    assert world.endpoints.find("mine-other").endpoint.inference_id == "vectors"


def test_applying_touches_nothing_of_others(closed: Application) -> None:
    """A configuration applied with a key makes, changes and prunes its own endpoints alone."""
    _, known = make(closed.world, MANAGE, inference_ids=["mine-*"])
    body = {"endpoints": [{"inference_id": "vectors", "task_type": "text_embedding", **openai({"model_id": "x"})}]}
    told = closed("POST", "/_inference/_apply", body, "prune=true", headers=bearing(known))
    assert told.json["errors"] is True
    assert "unauthorized" in told.json["changes"][0]["error"]
    assert "differences" not in told.json["changes"][0] or "other" not in json.dumps(told.json["changes"][0])
    assert closed.world.endpoints.find("vectors").endpoint.settings.model_id == "m"
    assert {one.endpoint.inference_id for one in closed.world.endpoints.all()} >= {"vectors", "text", "chat"}


FACES: list[tuple[str, Any, Callable[[Any], Any]]] = [
    ("/_inference/vectors", {"input": "a"}, lambda told: told["error"]["type"] == "security_exception"),
    ("/v1/embeddings", {"model": "vectors", "input": "a"}, lambda told: told["error"]["code"] == "invalid_api_key"),
    (
        "/v1/messages",
        {"model": "chat", "max_tokens": 9, "messages": TALK},
        lambda told: told["error"]["type"] == "authentication_error",
    ),
    (
        "/v2/rerank",
        {"model": "ranks", "query": "q", "documents": ["a"]},
        lambda told: "authenticate" in told["message"],
    ),
]


@pytest.mark.parametrize(("path", "body", "is_theirs"), FACES, ids=[path for path, _, _ in FACES])
def test_each_face_has_words_of_its_own(
    closed: Application, path: str, body: Any, is_theirs: Callable[[Any], bool]
) -> None:
    """401 comes in the form that the clients of the face know."""
    told = closed("POST", path, body, headers={"authorization": "Bearer wrong"})
    assert told.status == 401
    assert is_theirs(told.json)


FORBIDDING: Mapping[str, Callable[[Any], Any]] = {
    "/_inference/vectors": lambda told: told["error"]["type"] == "security_exception",
    "/v1/embeddings": lambda told: told["error"]["type"] == "invalid_request_error",
    "/v1/messages": lambda told: told["error"]["type"] == "permission_error",
    "/v2/rerank": lambda told: "unauthorized" in told["message"],
}


@pytest.mark.parametrize(("path", "body", "_"), FACES, ids=[path for path, _, _ in FACES])
def test_each_face_forbids_in_words_of_its_own(closed: Application, path: str, body: Any, _: Any) -> None:
    """403 comes in the form that the clients of the face know, too."""
    _, known = make(closed.world)
    told = closed("POST", path, body, headers={"x-api-key": known.encoded})
    assert told.status == 403
    assert FORBIDDING[path](told.json)


def test_an_open_server_looks_at_no_key_until_there_is_one(faces: Make) -> None:
    """Without a key everybody may do everything, whatever they send; the first key closes the server at once."""
    ask = faces()
    for headers in ({}, {"authorization": "Bearer sk-anything"}, {"x-api-key": "x"}):
        assert ask("GET", "/_inference", headers=headers).status == 200
    assert ask.world.log[-1].caller == "anonymous"
    made = ask("POST", "/_security/api_key", {"name": "first"}).json
    for headers in ({}, {"authorization": "Bearer sk-anything"}):
        assert ask("GET", "/_inference", headers=headers).status == 401
    assert ask("GET", "/_inference", headers={"authorization": f"Bearer {made['encoded']}"}).status == 200
    assert ask.world.log[-1].caller == made["id"]
    assert ask("DELETE", "/_security/api_key", {"id": made["id"]}, headers={"x-api-key": made["encoded"]}).status == 200
    assert ask("GET", "/_inference").status == 401  # and stays closed


def test_a_trailer_is_no_header(closed: Application) -> None:
    """Who is asking is known when the head has ended; what comes after the body is nobody's key."""
    _, known = make(closed.world, MONITOR)

    async def ask() -> Told:
        one = closed.caller()
        head = "POST /_inference/vectors HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
        one.say(head.encode() + b"0\r\n" + f"authorization: ApiKey {known.encoded}\r\n\r\n".encode())
        await one.answered()
        one.leave()
        return Told(one.told)

    assert asyncio.run(ask()).status == 401


def test_two_keys_in_one_request_are_none(closed: Application) -> None:
    """Which of two headers counts is not guessed: servers on the way may see the other one."""
    wide, narrow = make(closed.world, "all")[1], make(closed.world)[1]

    async def ask() -> Told:
        one = closed.caller()
        keys = "".join(f"authorization: ApiKey {key.encoded}\r\n" for key in (narrow, wide))
        one.say(f"GET /_inference HTTP/1.1\r\nhost: localhost\r\n{keys}\r\n".encode())
        await one.answered()
        one.leave()
        return Told(one.told)

    assert asyncio.run(ask()).status == 400


ENDINGS: Mapping[str, Callable[[World, Caller], Any]] = {
    "invalidated": lambda world, who: management(world).invalidate(
        INTERNAL, management(world).seen(INTERNAL, lambda key: key.id == who.name)
    ),
    "expired": lambda world, _: world.clock.advance(61),
}
RUNNING = [
    ("/_inference/vectors", {"input": "a"}, False),
    ("/v1/messages", {"model": "chat", "max_tokens": 9, "messages": TALK}, False),
    ("/_inference/text/_stream", {"input": "a"}, True),
    ("/v1/chat/completions", {"model": "chat", "messages": TALK, "stream": True}, True),
]


@pytest.mark.parametrize("how", ENDINGS)
@pytest.mark.parametrize(("path", "body", "streams"), RUNNING)
def test_what_runs_ends_with_its_key(make_faces: Make, path: str, body: Any, how: str, *, streams: bool) -> None:
    """A request whose key ends is refused at once, a stream is cut off, and its provider is let go; others go on."""
    asked = asyncio.Event()

    def hanging(_: Any) -> Arrived:
        asked.set()
        return Arrived(200, [FIRST, HANG] if streams else [HANG])

    ask = make_faces(hanging)
    key, known = make(ask.world, MONITOR, lifetime=60)
    _, other = make(ask.world, MONITOR)
    who = caller(ask.world, key)

    async def end() -> tuple[bytes, bool, bool]:
        one, two = ask.caller(), ask.caller()
        one.say(request("POST", path, body, headers=bearing(known)))
        await asked.wait()
        asked.clear()
        two.say(request("POST", path, body, headers=bearing(other)))
        await asyncio.sleep(0)
        for _ in range(20):
            await asyncio.sleep(0)
        ended = ENDINGS[how](ask.world, who)
        if asyncio.iscoroutine(ended):
            await ended
        await one.answered()
        goes_on = two.connection.task is not None
        two.leave()
        await two.answered()
        return one.told, one.closed, goes_on

    told, was_closed, goes_on = asyncio.run(end())
    assert goes_on
    if streams:
        assert was_closed
        assert FIRST[-10:] not in told or not told.endswith(b"0\r\n\r\n")
    else:
        assert Told(told).status == 401
    assert ask.world.provider.arrived[0].closed


def test_who_ends_their_own_key_is_told_so(closed: Application) -> None:
    """A key may end itself, and hears that it did."""
    key, known = make(closed.world, KEYS)
    told = closed("DELETE", "/_security/api_key", {"ids": [key.id]}, headers=bearing(known))
    assert (told.status, told.json["invalidated_api_keys"]) == (200, [key.id])
    again = closed("GET", "/_security/_authenticate", headers=bearing(known))
    assert (again.status, "has been invalidated" in again.body.decode()) == (401, True)


def test_an_open_server_ends_what_strangers_run(faces: Make) -> None:
    """When the first key closes a server, nobody goes on without one."""
    asked = asyncio.Event()

    def hanging(_: Any) -> Arrived:
        asked.set()
        return Arrived(200, [HANG])

    ask = faces(hanging)

    async def close() -> bytes:
        one = ask.caller()
        one.say(request("POST", "/_inference/vectors", {"input": "a"}))
        await asked.wait()
        await management(ask.world).create(ANONYMOUS, "first", Wanted())
        await one.answered()
        return one.told

    assert Told(asyncio.run(close())).status == 401


def test_callers_are_no_names_that_keys_can_have(closed: Application) -> None:
    """The server's own caller is nobody's key."""
    callers = Callers(closed.world.keys, is_open=False)
    assert callers.ended(INTERNAL, 0.0) is not None
