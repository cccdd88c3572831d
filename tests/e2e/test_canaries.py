"""Secrets: planted wherever a user may put one, then looked for in all that the server wrote and answered."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import secrets
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from emulated_provider import Asked, Provider, chunk
from every_setting import EVERY, whole
from quoted_secrets import FORMS
from raw_http import Answered, ask
from real_processes import Inferpoint, environ, moved_to, run
from service_accounts import key_file

from inferpoint import services as registered
from inferpoint.model.settings import declared

_KEYS = ("authorization", "x-api-key", "api-key", "x-goog-api-key")  # the headers in which providers take them
PLAIN = "plain"  # the model that makes the provider answer in its usual way; others have the names of other ways
TOKENS = "/tokens"
ODD = '/+ "\\%=&<~end'  # what is written differently from form to form, at the end of a secret
_BODIES = {
    "chat_completion": {"messages": [{"role": "user", "content": "x"}]},
    "rerank": {"input": "x", "query": "x"},
}
# What a canary looks like, also when only half of it is left, and in base64 wherever in a group of three it begins.
TRACE = re.compile(rb"canary[0-9a-f]{9}|Y2FuYXJ5|NhbmFye|jYW5hcn")


class Watch:
    """What must not be seen, and all the answers that must not show it."""

    def __init__(self, server: Inferpoint) -> None:
        self.server = server
        self.turn = 0
        self.planted = 0
        self.answers: list[bytes] = []

    def canary(self, extra: str = "") -> str:
        """A new secret."""
        self.planted += 1
        return f"canary{secrets.token_hex(12)}{extra}"

    def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answered:
        """Ask the server, and keep what it answers."""
        answered = ask(self.server.url, method, path, body, headers)
        self.answers.append(repr(dict(answered.headers)).encode() + answered.body)
        return answered

    def put(self, task_type: str, inference_id: str, config: Any, query: str = "error_trace") -> Answered:
        """Create an endpoint, or try to."""
        return self.ask("PUT", f"/_inference/{task_type}/{inference_id}?{query}", config)

    def command(self, *words: str, typed: str = "") -> int:
        """Run `inferpoint` on the server, with *typed* on its standard input, and keep what it prints."""
        env = environ(self.server.data_dir.parent, {"INFERPOINT_URL": self.server.url})
        done = run([sys.executable, "-m", "inferpoint", *words], env, typed)
        self.answers.append(f"{done.stdout}{done.stderr}".encode())
        return done.returncode

    def back_up(self) -> None:
        """Make a copy and a dump of the store beside it, as who runs the server does."""
        home = self.server.data_dir
        with contextlib.closing(sqlite3.connect(home / "inferpoint.db")) as store:
            with contextlib.closing(sqlite3.connect(home / "backup.db")) as copy:
                store.backup(copy)
            (home / "dump.sql").write_text("\n".join(store.iterdump()))

    def seen(self) -> list[str]:
        """Where a canary is, if anywhere."""
        # The write-ahead log has what was stored whether or not it reached the database yet.
        places = {str(path): path.read_bytes() for path in self.server.data_dir.parent.rglob("*") if path.is_file()}
        places |= {f"answer {number}": answer for number, answer in enumerate(self.answers)}
        places |= {"log": self.server.written}
        return [f"{place}: {found[0]!r}" for place, content in places.items() if (found := TRACE.search(content))]


def _long(key: str) -> str:
    """Words that are cut off in the middle of the key in them."""
    return "x" * (1980 - key.find("canary")) + key


WAYS: dict[str, tuple[int, Callable[[str], Any]]] = {
    "plain": (401, lambda key: {"error": {"message": f"Incorrect API key provided: {key}"}}),
    "words": (400, lambda key: f"who is {key}?".encode()),
    "list": (422, lambda key: {"error": [f"no {key}", {"message": key}], "error_type": key}),
    "object": (403, lambda key: {"error": {"message": key, "type": key, "code": key, "param": key}}),
    "unknown": (404, lambda key: {"fault": {"keys": [key]}}),
    "cut": (400, lambda key: {"error": {"message": _long(key)}}),
    "cut-words": (400, lambda key: _long(key).encode()),
    "shape": (200, lambda key: {"data": key, "choices": key, "embeddings": key}),
    "nonsense": (200, str.encode),
    "stream": (200, lambda key: chunk("so far") + b'data: {"error": {"message": "no %b"}}\n\n' % key.encode()),
    "stream-cut": (200, lambda key: chunk("so far") + b'data: {"error": {"message": "%b"}}\n\n' % _long(key).encode()),
    "stream-nonsense": (200, lambda key: chunk("so far") + b"data: %b\n\n" % key.encode()),
}


def _in_stream(words: str) -> bytes:
    return chunk("so far") + b"data: %b\n\n" % json.dumps({"error": {"message": words, "type": words}}).encode()


# Every kind of error that has a provider's words in it, with these words.
QUOTING: dict[str, tuple[int, Callable[[str], Any]]] = {
    "quoting-whole": (401, lambda words: {"error": {"message": words, "type": words, "code": words}}),
    "quoting-words": (400, str.encode),
    "quoting-shape": (200, lambda words: {"choices": words}),
    "quoting-stream": (200, _in_stream),
    "quoting-grant": (400, lambda words: {"error": words, "error_description": f"who knows {words}?"}),
}


def quoted(asked: Asked, key: str) -> None:
    """Answer with the error whose kind and whose form of the key are in the path."""
    _, way, number, *_ = asked.path.split("/")
    status, answer = QUOTING[way]
    body = answer(list(FORMS.values())[int(number)](key))
    if way.endswith("stream"):
        asked.stream()
        asked.send(body)
    else:
        asked.answer(body, status)


def echo(asked: Asked) -> None:
    """Quote the caller's key in every way in which a provider may refuse or misunderstand it."""
    if asked.path.startswith("/quoting"):
        key = asked.headers.get("authorization", "").removeprefix("Bearer ")
        quoted(asked, key or parse_qs(asked.body.decode())["client_secret"][0])
        return
    if asked.path.endswith(TOKENS):
        _give_token(asked)
        return
    key = next((asked.headers[name] for name in _KEYS if name in asked.headers), "")
    named = (*asked.path.split("/"), asked.json.get("model"))
    way = next((name for name in named if name in WAYS), PLAIN)
    status, words = WAYS[way]
    if way.startswith("stream"):
        asked.stream()
        asked.send(words(key))
    else:
        asked.answer(words(key), status)


def _give_token(asked: Asked) -> None:
    """Refuse the secret, quoting it, or give a token that is no less secret."""
    form = parse_qs(asked.body.decode())
    (key,) = form.get("client_secret") or form["assertion"]
    if PLAIN in asked.path:
        asked.answer({"error": key, "error_description": f"who knows {key} or {asked.body.decode()}?"}, 401)
    else:
        asked.answer({"access_token": f"canary{secrets.token_hex(12)}", "expires_in": 3600})


@pytest.fixture(scope="module")
def echoing() -> Iterator[Provider]:
    """A provider that says the keys it is given."""
    with Provider(echo) as running:
        yield running


@pytest.fixture(params=["text", "json"])
def watch(request: pytest.FixtureRequest, tmp_path: Path, echoing: Provider) -> Iterator[Watch]:
    """A server to plant secrets on, its own key among them; at the end none of them is anywhere."""
    key = secrets.token_bytes(32)
    env = moved_to(echoing.url) | {"INFERPOINT_SECRET_KEY": base64.b64encode(key).decode()}
    flags = (f"--log-format={request.param}", "--log-level=debug", f"--audit-file={tmp_path / 'audit.jsonl'}")
    with Inferpoint(tmp_path / "data", *flags, env=env) as server:
        watch = Watch(server)
        watch.turn = ["text", "json"].index(request.param)
        yield watch
        assert watch.planted
        assert watch.answers
        assert not watch.seen()
        server.kill()
        assert not watch.seen()
        assert key not in server.written
        assert base64.b64encode(key) not in server.written
        assert b"Traceback" not in server.written


# Secrets of token flows with settings of their own; that none of them is shown is asked by the contract kit.
UNMOVED = {("watsonxai", "api_key"), ("azureopenai", "client_secret")}
THIRD = 3  # of the ways, another one in each form of the log
# What some services need beside what they require, or as something else than any word.
MORE: Mapping[str, Mapping[str, Any]] = {
    "alibabacloud-ai-search": {"http_schema": "http"},
    "amazon_sagemaker": {"element_type": "float"},
    "custom": {"request": '{"input": ${input}}', "headers": {"Authorization": "Bearer ${a_secret}"}},
    "googlevertexai": {"project_id": PLAIN, "model_id": PLAIN},
}


def services() -> Iterator[tuple[str, str, list[str], dict[str, Any]]]:
    """Each service and task type: the names of secrets that go together, and a configuration without them."""
    for service, kind in EVERY:
        task = registered.find(service).tasks[kind]
        settings, options = whole(service, kind)
        every = {one.name: one for cls in (task.settings, task.options) for one in declared(cls)}
        needed = {
            name: PLAIN if one.kind is str and not (one.choices or one.url or name == "region") else value
            for name, value in {**settings, **options}.items()
            if (one := every[name]).required and not one.secret
        }
        more = {name: value for name, value in MORE.get(service, {}).items() if name in every}
        hidden = [name for name, one in every.items() if one.secret]
        either = [[name] for name in hidden if not every[name].required]
        for together in either or [hidden]:
            if not UNMOVED & {(service, name) for name in together}:
                yield service, kind.value, together, {**needed, **more}


def planted(service: str, name: str, canary: str, address: str) -> Any:
    """The secret called *name* with the *canary* in it, as the service takes it."""
    if name == "service_account_json":
        return key_file(token_uri=address + TOKENS, canary=canary)
    return {"a_secret": canary} if service == "custom" else canary


def config(service: str, settings: Mapping[str, Any], address: str, needed: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with *address* where it may be given."""
    task = next(iter(registered.find(service).tasks.values()))
    declared_here = {one.name: one for one in declared(task.settings)}
    given = {**{name: value for name, value in needed.items() if name != "max_tokens"}, **settings}
    if "rate_limit" in declared_here:
        given["rate_limit"] = {"requests_per_minute": 1_000_000}
    if service == "openai":
        given["url"] = address
    given |= {name: address for name, one in declared_here.items() if one.url and one.required}
    if service == "alibabacloud-ai-search":
        given["host"] = address.split("/")[2]
    if "client_secret" in settings:
        given |= {"client_id": "me", "scopes": ["s"], "token_url": address + TOKENS}
    options = {name: value for name, value in needed.items() if name == "max_tokens"}
    return {"service": service, "service_settings": given, "task_settings": options}


def test_a_canary_is_known_in_every_form() -> None:
    """A canary is found whole, cut in half, and in base64 at any offset: what finds nothing must be able to."""
    canary = f"canary{secrets.token_hex(12)}".encode()
    forms = [write(canary.decode() + ODD).encode() for write in FORMS.values()]
    for content in (canary, canary[:15], *(base64.b64encode(bytes(before) + canary) for before in range(3)), *forms):
        assert TRACE.search(content)


def test_every_secret_of_every_service_stays_hidden(watch: Watch, echoing: Provider) -> None:
    """Stored, shown, used, refused by its provider or changed: no secret is seen again."""
    tried = set[str]()
    for number, (service, task_type, hidden, needed) in enumerate(services()):
        for way in list(WAYS)[(number + watch.turn) % THIRD :: THIRD] if hidden else ():
            address = f"{echoing.url}/{way}"
            given = {name: planted(service, name, watch.canary(), address) for name in hidden}
            named = {name: way if value == PLAIN else value for name, value in needed.items()}
            whole = config(service, given, address, named)
            assert watch.put(task_type, "refused", whole).status >= 400
            inference_id = f"{service}-{task_type}-{way}" + ("-oauth2" if "client_secret" in hidden else "")
            kept = watch.put(task_type, inference_id, whole, "skip_validation")
            assert kept.status == 200, kept.body
            path = f"/_inference/{task_type}/{inference_id}"
            for form in ("", "/_stream"):
                answered = watch.ask("POST", f"{path}{form}?error_trace", _BODIES.get(task_type, {"input": "x"}))
                assert answered.status >= 400 or b"event: error" in answered.body
            new = {"service_settings": {name: watch.canary() for name in hidden}}
            assert watch.ask("PUT", f"{path}/_update", new).status >= 400
            watch.put(task_type, inference_id, whole)
            watch.ask("GET", f"{path}?pretty")
            tried.add(service)
    assert tried == {name for name, _ in EVERY} - {"elasticsearch", "watsonxai"}
    watch.ask("GET", "/_inference")
    watch.ask("GET", "/metrics")
    kept = watch.ask("GET", "/_inference").json["endpoints"][0]["inference_id"]
    assert watch.ask("DELETE", f"/_inference/{kept}").status == 200


@pytest.mark.parametrize("way", QUOTING)
def test_a_secret_stays_hidden_in_every_form(watch: Watch, echoing: Provider, way: str) -> None:
    """However a provider writes the key that it refuses, the caller is told of an error without it."""
    for number, form in enumerate(FORMS):
        hidden = "client_secret" if way.endswith("grant") else "api_key"
        address = f"{echoing.url}/{way}/{number}"
        whole = config("openai", {hidden: watch.canary(ODD)}, address, {"model_id": PLAIN})
        assert watch.put("completion", f"e{number}", whole, "skip_validation").status == 200
        for path in (f"/_inference/e{number}", f"/_inference/completion/e{number}/_stream"):
            answered = watch.ask("POST", f"{path}?error_trace", {"input": "x"})
            assert answered.status >= 400 or b"event: error" in answered.body
            told = way not in ("quoting-shape", "quoting-words") and (
                way != "quoting-stream" or path.endswith("_stream")
            )
            assert (b"***" in answered.body) is told, form
        watch.put("completion", "refused", whole)


def test_a_secret_of_a_wrong_type_or_in_a_wrong_place_stays_hidden(watch: Watch, echoing: Provider) -> None:
    """What is refused is named without its value wherever its name says that it is a secret."""
    for service, task_type, hidden, needed in services():
        for name in hidden:
            for wrong in (
                {"x": watch.canary()}, [watch.canary()], {"api_key": watch.canary()}, watch.canary("\r\nX-More: 1"),
                watch.canary("\0"), watch.canary("\ud800"), {name: {name: watch.canary()}},
            ):  # fmt: skip
                given = {each: watch.canary() for each in hidden} | {name: wrong}
                whole = config(service, given, echoing.url, needed)
                assert watch.put(task_type, "wrong", whole).status >= 400
            right = {each: planted(service, each, watch.canary(), echoing.url) for each in hidden}
            whole = config(service, right, echoing.url, needed)
            for place in ("task_settings", "chunking_settings", "rate_limit"):
                astray = json.loads(json.dumps(whole))
                section = astray["service_settings"] if place == "rate_limit" else astray
                section[place] = {**section.get(place, {}), name: watch.canary()}
                assert watch.put(task_type, "astray", astray).status == 400
            for misspelt in (name.upper(), name.replace("_", ""), name.title().replace("_", ""), f"my_{name}"):
                settings = {**whole["service_settings"], misspelt: watch.canary()}
                assert watch.put(task_type, "misspelt", {**whole, "service_settings": settings}).status == 400
                assert watch.put(task_type, "misspelt", {**whole, misspelt: watch.canary()}).status == 400


def test_a_secret_in_a_broken_request_stays_hidden(watch: Watch) -> None:
    """A body that cannot be read, a query or a header that nobody asked for is not repeated."""
    body = json.dumps({"service": "openai", "service_settings": {"api_key": watch.canary()}}).encode()
    for broken in (
        body[:-2],
        body[:-1] + b",}",
        body + body,
        b"\xff" + body,
        b"[" + body + b"]",
        body.decode().encode("utf-16"),
    ):
        assert watch.ask("PUT", "/_inference/completion/broken?error_trace", broken).status == 400
    query = f"/_inference?api_key={watch.canary()}"
    assert watch.ask("GET", query).status == 400
    assert watch.ask("GET", f"/_inference?timeout={watch.canary()}").status == 400
    for scheme in ("Bearer", "ApiKey", "Basic"):
        headers = {"Authorization": f"{scheme} {watch.canary()}", "X-Api-Key": watch.canary()}
        assert watch.ask("GET", "/_inference", headers=headers).status == 200
        assert watch.ask("GET", "/_inference/none", headers=headers).status == 404
        assert watch.ask("POST", "/_inference/none?error_trace", {"input": "x"}, headers).status == 404
    for misplaced in ("api_key", "task_settings"):
        wrong = {"input": "x", misplaced: {"api_key": watch.canary()}}
        assert watch.ask("POST", "/_inference/none", wrong).status >= 400


def test_a_callers_key_is_nowhere(tmp_path: Path) -> None:
    """Whichever way a key is sent, right or wrong, at every face, nothing but the database's hash knows of it."""
    canary = f"canary{secrets.token_hex(12)}"
    wrong = f"canary{secrets.token_hex(12)}"
    with Inferpoint(tmp_path / "data", "--log-level=debug", env={"INFERPOINT_ADMIN_KEY": canary}) as server:
        watch = Watch(server)
        statuses: set[int] = set()
        for key in (canary, wrong):
            encoded = base64.b64encode(f"admin:{key}".encode()).decode()
            both = base64.b64encode(f"anybody:{encoded}".encode()).decode()
            sent = (f"ApiKey {encoded}", f"Bearer {key}", f"Bearer {encoded}", f"Basic {encoded}", f"Basic {both}")
            headers = [{"Authorization": one} for one in (*sent, key, f"Nonsense {key}")]
            for header in (*headers, {"x-api-key": key}, {"x-api-key": encoded}):
                for path, body in (
                    ("/_inference/none?error_trace", {"input": "x"}),
                    ("/v1/embeddings", {"model": "none", "input": "x"}),
                    (
                        "/v1/messages",
                        {"model": "none", "max_tokens": 1, "messages": [{"role": "user", "content": "x"}]},
                    ),
                    ("/v2/rerank", {"model": "none", "query": "x", "documents": ["x"]}),
                    ("/_security/api_key", {"name": "x", "role_descriptors": {}}),
                    ("/none", {}),
                ):
                    statuses.add(watch.ask("POST", path, body, header).status)
                watch.ask("GET", "/metrics", headers=header)
                watch.ask("GET", "/_security/api_key", headers=header)
        assert statuses == {200, 401, 404}
        assert watch.seen() == []


# A request of each face that a model answers, by the task type of the endpoint that is the model.
FACES: list[tuple[str, str, dict[str, Any]]] = [
    ("completion", "/v1/completions", {"prompt": "x"}),
    ("chat_completion", "/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}),
    ("chat_completion", "/v1/responses", {"input": "x"}),
    ("chat_completion", "/v1/messages", {"max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}),
    ("text_embedding", "/v1/embeddings", {"input": "x"}),
    ("text_embedding", "/v2/embed", {"texts": ["x"], "input_type": "search_query", "embedding_types": ["float"]}),
    ("rerank", "/v2/rerank", {"query": "x", "documents": ["x"]}),
]


@pytest.mark.parametrize("way", WAYS)
def test_a_named_credential_stays_hidden_at_every_face(watch: Watch, echoing: Provider, way: str) -> None:
    """Set, used by each face, quoted by its provider, rotated, listed, exported, audited: it is never seen."""
    name = f"/_inference/_credentials/{way}"
    kept = {"value": watch.canary(), "addresses": [echoing.url]}
    assert watch.ask("PUT", name, kept).status == 200
    for task_type in {task_type for task_type, _, _ in FACES}:
        service = "hugging_face" if task_type == "rerank" else "openai"
        needed = {"model_id": way} if service == "openai" else {}
        whole = config(service, {"api_key": f"@{way}"}, f"{echoing.url}/{way}", needed)
        assert watch.put(task_type, task_type, whole, "skip_validation").status == 200
    for task_type, path, body in FACES:
        for streams in (False, True):
            answered = watch.ask("POST", path, {"model": task_type, "stream": streams, **body})
            assert answered.status >= 400 or b"error" in answered.body or way.startswith("stream"), path
    assert watch.ask("PUT", f"{name}?error_trace", {"value": watch.canary()}).status >= 400  # its provider refuses it
    assert watch.ask("PUT", f"{name}?skip_validation", {"value": watch.canary()}).status == 200
    for wrong in ({"value": [watch.canary()]}, {"value": {"x": watch.canary()}}, {"api_key": watch.canary()}):
        assert watch.ask("PUT", f"{name}?error_trace", wrong).status == 400
    for path in (
        "",
        "/_credentials",
        f"/_credentials/{way}",
        "/_audit?size=1000",
        "/_export",
        "/_quotas",
        "/_services",
    ):
        assert watch.ask("GET", f"/_inference{path}").status == 200
    for path in ("/metrics", "/v1/models"):
        assert watch.ask("GET", path).status == 200
    assert watch.ask("DELETE", name).status == 409
    watch.back_up()


def test_no_command_shows_a_secret(watch: Watch, echoing: Provider, tmp_path: Path) -> None:
    """Whatever is done and shown on the command line, also what fails."""
    typed = watch.canary()
    assert watch.command("secrets", "set", "main", "--address", echoing.url, typed=typed) == 0
    whole = config("openai", {"api_key": "@main"}, f"{echoing.url}/plain", {"model_id": PLAIN})
    own = config("openai", {"api_key": watch.canary()}, f"{echoing.url}/plain", {"model_id": PLAIN})
    assert watch.put("completion", "named", whole, "skip_validation").status == 200
    assert watch.put("completion", "own", own, "skip_validation").status == 200
    file = tmp_path.with_name(f"{tmp_path.name}-elsewhere.json")  # the canary in it is where it belongs
    endpoints = {"completion/own": {**own, "service_settings": {**own["service_settings"], "api_key": watch.canary()}}}
    file.write_text(json.dumps({"endpoints": endpoints}))
    for words in (
        ("endpoints", "list"), ("endpoints", "get", "own"), ("endpoints", "test", "own"), ("quotas", "list"),
        ("endpoints", "put", "new", json.dumps(own), "--task-type", "completion"), ("export",), ("diff", str(file)),
        ("apply", str(file)), ("secrets", "list"), ("secrets", "list", "--output", "json"),
        ("secrets", "remove", "main"), ("secrets", "rotate"), ("infer", "own", "x"), ("infer", "named", "x"),
    ):  # fmt: skip
        watch.command(*words)
    assert watch.command("secrets", "set", "main", typed=watch.canary()) == 1
    assert watch.command("secrets", "set", "main", "--skip-validation", typed=watch.canary("\n")) == 0
    assert watch.command("secrets", "set", "none", typed="***") == 1
    file.unlink()


def test_a_new_key_opens_all_and_is_seen_nowhere(tmp_path: Path, echoing: Provider) -> None:
    """A server that has its own key seals by another while it runs, and finds everything after a start."""
    with Inferpoint(tmp_path / "data", "--workers=2", env=moved_to(echoing.url)) as server:
        watch = Watch(server)
        assert watch.command("secrets", "set", "main", typed=watch.canary()) == 0
        whole = config("openai", {"api_key": "@main"}, "", {"model_id": PLAIN})
        del whole["service_settings"]["url"]
        assert watch.put("completion", "e", whole, "skip_validation").status == 200
        key = server.data_dir / "secret.key"
        keys = [key.read_text("ascii").strip()]
        for _ in range(3):
            assert watch.command("secrets", "rotate") == 0
            keys.append(key.read_text("ascii").strip())
            assert watch.put("completion", f"e{len(keys)}", whole, "skip_validation").status == 200
        assert len(set(keys)) == 4
        assert not watch.seen()
        assert not [one for one in keys if one.encode() in server.written + b"".join(watch.answers)]
        server.tell(signal.SIGTERM)
        assert server.ended() == 0
    with Inferpoint(tmp_path / "data", env=moved_to(echoing.url)) as server:
        watch = Watch(server)
        assert len(watch.ask("GET", "/_inference").json["endpoints"]) == 4
        (credential,) = watch.ask("GET", "/_inference/_credentials").json["credentials"]
        assert credential["used_by"] == ["e", "e2", "e3", "e4"]
        assert not watch.seen()
