"""Tokens of OAuth2: one fetch however many wait, kept while they last, never told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import pytest
from clock import settle
from in_process import post
from world import CHAT, COMPLETION, EMBEDDING, HANG, Arrived, World, json_reply, like_openai, openai, told, without

from inferpoint.errors import InferenceError
from inferpoint.model.http import Call, Reply
from inferpoint.model.requests import InferenceRequest
from inferpoint.outbound.ticket import Cost, Permit, Refusal, Ticket

MakeWorld = Callable[..., World]
TOKENS = "https://login.test/token"
SECRET = "s3cret/+canary"
OAUTH2 = {"client_secret": SECRET, "client_id": "me", "scopes": ["a", "b/.default"], "token_url": TOKENS}
CONFIG = without(openai(OAUTH2), "api_key")


class Login:
    """A provider that takes the newest token alone, and who gives them."""

    def __init__(self, seconds: float | None = 3600) -> None:
        self.seconds = seconds
        self.given = 0
        self.asked: list[Call] = []
        self.revoked: set[str] = set()
        self.refusal: Reply | Arrived | None = None

    def __call__(self, call: Call) -> Reply | Arrived:
        if call.url == TOKENS:
            self.asked.append(call)
            if self.refusal is not None:
                return self.refusal
            self.given += 1
            lifetime = {} if self.seconds is None else {"expires_in": self.seconds}
            return json_reply({"access_token": f"token-{self.given}", "token_type": "Bearer", **lifetime})
        token = call.headers["authorization"].removeprefix("Bearer ")
        if token in self.revoked:
            return json_reply({"error": {"message": f"{token} is no good"}}, 401)
        return like_openai(call)


@pytest.fixture
def login() -> Login:
    return Login()


@pytest.fixture
def world(make_world: MakeWorld, login: Login) -> World:
    """A world with an endpoint `e` for embeddings and `c` for completions, both by OAuth2."""
    made = make_world(login, validate=False)
    made.create("e", EMBEDDING, CONFIG)
    made.create("c", COMPLETION, CONFIG)
    return made


def refused(act: Callable[[], Any]) -> tuple[int, str, str]:
    with pytest.raises(InferenceError) as caught:
        act()
    return told(caught.value)


def test_a_token_is_asked_for_as_the_standard_says(world: World, login: Login) -> None:
    """Client credentials as a form, the secret in the body; calls are signed with what comes back."""
    world.infer("e", "x")
    (asked,) = login.asked
    assert (asked.method, asked.headers["content-type"]) == ("POST", "application/x-www-form-urlencoded")
    assert parse_qs(asked.body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["me"],
        "client_secret": [SECRET],
        "scope": ["a b/.default"],
    }
    assert world.provider.calls[-1].headers["authorization"] == "Bearer token-1"
    assert SECRET not in repr(asked)


def test_however_many_wait_one_token_is_fetched(world: World, login: Login) -> None:
    """All of a hundred callers have the one token; one that leaves does not take it from the others."""

    async def many() -> list[Any]:
        calls = [asyncio.ensure_future(world.inferring("e", InferenceRequest(("x",)))) for _ in range(100)]
        await asyncio.sleep(0)
        calls[0].cancel()
        return await asyncio.gather(*calls, return_exceptions=True)

    first, *others = world.run(many())
    assert isinstance(first, asyncio.CancelledError)
    assert not any(isinstance(each, BaseException) for each in others)
    assert len(login.asked) == 1


@pytest.mark.parametrize(
    ("seconds", "kept"), [(3600, 3540), (120, 60), (60, 30), ("600", 540), (None, 240), (0, 0), (-5, 0)]
)
def test_a_token_is_kept_for_its_lifetime_less_a_minute(make_world: MakeWorld, seconds: Any, kept: float) -> None:
    """It is used until then and not after; of a short life half is used."""
    login = Login(seconds)
    world = make_world(login, validate=False)
    world.create("e", EMBEDDING, openai_without_limit())
    world.infer("e", "x")
    if kept:
        world.run(world.clock.sleep(kept - 10))
        world.infer("e", "x")
        assert len(login.asked) == 1
    world.run(world.clock.sleep(20))
    world.infer("e", "x")
    assert len(login.asked) == 2


def openai_without_limit() -> dict[str, Any]:
    limit = {"rate_limit": {"requests_per_minute": 10**6}}
    return {**CONFIG, "service_settings": {**CONFIG["service_settings"], **limit}}


def test_a_token_that_is_refused_is_fetched_anew_once(world: World, login: Login) -> None:
    """After a 401 comes one more try with a new token, whole and streamed; a second 401 is the answer."""
    world.infer("e", "x")
    login.revoked = {"token-1"}
    world.infer("e", "x")
    assert (login.given, len(world.provider.calls)) == (2, 5)
    world.stream("c")
    login.revoked = {f"token-{number}" for number in range(9)}
    for act in (lambda: world.infer("e", "x"), lambda: raise_last(world.stream("c"))):
        before = login.given
        status, _, reason = refused(act)
        assert (status, login.given) == (401, before + 1)
        assert reason.endswith("Error message: [*** is no good]")


def raise_last(found: list[Any]) -> None:
    raise found[-1]


def test_a_token_that_nobody_waits_for_is_given_up_at_the_end(world: World, login: Login) -> None:
    """A fetch whose callers have left goes on for those who come, until the engine is closed."""
    login.refusal = Arrived(200, [HANG])

    async def left() -> None:
        alone = asyncio.all_tasks()
        asking = asyncio.ensure_future(world.inferring("e", InferenceRequest(("x",))))
        await settle()
        asking.cancel()
        await settle()
        assert asyncio.all_tasks() > alone
        await world.engine.close()
        assert asyncio.all_tasks() == alone

    world.run(left())
    assert world.provider.arrived[0].closed


def test_every_permit_is_released(world: World, login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    """However a call ends, that with a token which is not taken any more included: nothing of it is remembered."""
    given: list[Permit] = []
    released: list[Permit] = []
    asked, release = world.limiter.permit, Permit.release

    async def permit(ticket: Ticket, cost: Cost) -> Permit | Refusal:
        answer = await asked(ticket, cost)
        assert isinstance(answer, Permit)
        given.append(answer)
        return answer

    def noted(permit: Permit) -> None:
        released.append(permit)
        release(permit)

    monkeypatch.setattr(world.limiter, "permit", permit)
    monkeypatch.setattr(Permit, "release", noted)
    world.infer("e", "x")
    login.revoked = {"token-1"}
    world.infer("e", "x")
    world.stream("c")
    login.revoked = {f"token-{number}" for number in range(9)}
    refused(lambda: world.infer("e", "x"))
    world.stream("c")
    assert len(given) > 9
    assert set(given) == set(released)


def test_new_credentials_are_a_new_token(world: World, login: Login) -> None:
    """After an update the old token is used no more."""
    world.infer("e", "x")
    world.update("e", {"service_settings": {"client_secret": "new"}})
    world.infer("e", "x")
    assert [parse_qs(each.body.decode())["client_secret"] for each in login.asked] == [[SECRET], ["new"]]
    assert "client_secret" not in str(world.get("e"))
    assert world.get("e")["service_settings"]["scopes"] == ("a", "b/.default")


def test_the_validation_call_has_a_token(make_world: MakeWorld, login: Login) -> None:
    """A new endpoint is tried with a token, which its first caller uses too."""
    world = make_world(login)
    world.create("e", EMBEDDING, CONFIG)
    world.infer("e", "x")
    assert login.given == 1


@pytest.mark.parametrize(
    ("reply", "status", "words"),
    [
        (json_reply({"error": "invalid_client", "error_description": "Bad client"}, 401), 401, "Bad client"),
        (json_reply({"error": "invalid_scope"}, 400), 400, "invalid_scope"),
        (json_reply({"error": "x", "error_description": f"{SECRET}, s3cret%2F%2Bcanary"}, 400), 400, "***, ***"),
        (Reply(404, b"<html>"), 404, None),
        (Reply(500, b""), 400, None),
    ],
)  # fmt: skip
def test_who_gives_no_token_is_quoted_without_the_secret(
    world: World, login: Login, reply: Reply, status: int, words: str | None
) -> None:
    """Status and words are those of who was asked for the token; the provider is not called."""
    login.refusal = reply
    found = refused(lambda: world.infer("e", "x"))
    reason = f"Failed to get an access token for request from inference entity id [e] status [{reply.status}]"
    assert found == (status, "status_exception", reason + (f". Error message: [{words}]" if words else ""))
    assert all(call.url == TOKENS for call in world.provider.calls)
    login.refusal = None
    world.infer("e", "x")  # a failure is not kept


@pytest.mark.parametrize(
    ("code", "name"), [("invalid_client", "invalid_client"), (SECRET, "***"), ("", "invalid_request_error")]
)
def test_the_code_of_who_gives_no_token_is_handed_on(world: World, login: Login, code: str, name: str) -> None:
    """OpenAI's clients are told by its name what was refused, without the secret too."""
    login.refusal = json_reply({"error": code, "error_description": "no"}, 401)
    status, error = post(world, "/v1/embeddings", {"model": "e", "input": "x"}).error
    assert (status, error["type"]) == (401, name)


@pytest.mark.parametrize("said", [b"", b"{}", b'{"access_token":""}', b'{"access_token":"a\\nb"}', b"null"])
def test_what_is_no_token_is_an_error(world: World, login: Login, said: bytes) -> None:
    """A reply without a token that can be a header is told as one that cannot be read."""
    login.refusal = Reply(200, said)
    status, _, reason = refused(lambda: world.infer("e", "x"))
    assert (status, "Failed to read the OAuth2 token response" in reason) == (400, True)


BOTH = "Validation Failed: 1: [service_settings] must have exactly one field of [api_key, client_secret] set;"
TOGETHER = "Validation Failed: 1: [service_settings] all OpenAI OAuth2 fields must be provided together; missing: "
WRONG = [
    (openai(OAUTH2), BOTH),
    (without(openai(), "api_key"), BOTH),
    (without(CONFIG, "client_id"), f"{TOGETHER}[client_id];"),
    (without(CONFIG, "token_url", "client_id"), f"{TOGETHER}[client_id, token_url];"),
    (
        without(CONFIG, "client_id", "scopes", "token_url"),
        "Validation Failed: 1: OAuth2 requires the fields [client_id, scopes, token_url], to be set.;",
    ),
    (openai({"client_id": "me"}), f"{TOGETHER}[client_secret, scopes, token_url];"),
    (
        {**CONFIG, "service_settings": {**CONFIG["service_settings"], "scopes": []}},
        "Validation Failed: 1: [service_settings] Invalid value empty list. [scopes] must be a non-empty list;",
    ),
    (
        {**CONFIG, "service_settings": {**CONFIG["service_settings"], "token_url": "ftp://x"}},
        "Validation Failed: 1: [service_settings] Invalid url [ftp://x] received for field [token_url]. Error: unable"
        " to parse url [ftp://x]. Reason: the scheme must be http or https;",
    ),
]


@pytest.mark.parametrize(("config", "reason"), WRONG)
@pytest.mark.parametrize("kind", [EMBEDDING, CHAT])
def test_one_kind_of_key_and_all_that_it_needs(
    make_world: MakeWorld, kind: Any, config: dict[str, Any], reason: str
) -> None:
    """The texts are Elasticsearch's."""
    world = make_world()
    assert refused(lambda: world.create("x", kind, config)) == (400, "validation_exception", reason)
    assert world.provider.calls == []
