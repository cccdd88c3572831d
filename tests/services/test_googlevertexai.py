"""Google Vertex AI: tokens of a service account, and endpoints whose settings do not go together."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from played import answered, complained, endpoint, refused, reply, streamed
from service_accounts import TOKENS, key_file, private_key
from world import CHAT, COMPLETION, EMBEDDING, World, json_reply

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import Call, Reply
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import Completion

URL = "https://garden.test/models/m:rawPredict"
EMBED = {"project_id": "p-1", "location": "us-central1", "model_id": "text-embedding-005"}
GOOGLE = {"project_id": "p-1", "model_id": "gemini-2.5-flash"}


def config(**settings: Any) -> dict[str, Any]:
    return {"service": "googlevertexai", "service_settings": {"service_account_json": key_file(), **settings}}


def like_google(call: Call) -> Reply:
    if call.url == TOKENS:
        return json_reply({"access_token": "ya29.t", "expires_in": 3599, "token_type": "Bearer"})
    texts = json.loads(call.body)["instances"]
    return json_reply({"predictions": [{"embeddings": {"values": [1, 0]}} for _ in texts]})


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_a_token_is_asked_for_by_an_assertion_that_the_account_signs(make_world: Callable[..., World]) -> None:
    """One call for all who wait, at the address of the key file; the others carry the token."""
    world = make_world(like_google, validate=False)
    world.create("e", EMBEDDING, config(**EMBED))

    async def several() -> None:
        await asyncio.gather(*(world.inferring("e", InferenceRequest((text,))) for text in "abc"))

    world.run(several())
    token, *others = world.provider.calls
    assert [call.url for call in world.provider.calls].count(TOKENS) == 1
    assert {call.headers["authorization"] for call in others} == {"Bearer ya29.t"}
    form = parse_qs(token.body.decode())
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    header, claims, signature = form["assertion"][0].split(".")
    private_key().public_key().verify(decoded(signature), f"{header}.{claims}".encode(), PKCS1v15(), SHA256())
    assert json.loads(decoded(header)) == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    told = json.loads(decoded(claims))
    assert told.pop("exp") - told.pop("iat") == 3600
    scope = "https://www.googleapis.com/auth/cloud-platform"
    assert told == {"iss": "a@p-1.test", "scope": scope, "aud": TOKENS}


def test_a_refused_account_is_told_in_googles_words(make_world: Callable[..., World]) -> None:
    """Nothing of the key file is in the error."""
    refusal = {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
    world = make_world(lambda _: json_reply(refusal, 400), validate=False)
    world.create("e", EMBEDDING, config(**EMBED))
    with pytest.raises(InferenceError, match=r"Failed to get an access token .*Invalid JWT Signature"):
        world.infer("e", "a")


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        ("no JSON", "must be the JSON of a service account's key, with [type], [client_email] and [private_key]"),
        (key_file(client_email=None), "must be the JSON of a service account's key, with [type], [client_email]"),
        (key_file(type="authorized_user"), "must be the key of a [service_account], and not credentials of another"),
        (key_file(private_key="-----BEGIN"), "must have an RSA key in PEM as its [private_key]"),
        (key_file(token_uri="file:///etc/passwd"), "must have an address as its [token_uri]"),
    ],
)
def test_a_key_file_that_is_none_is_refused(file: str, problem: str) -> None:
    """Before any call, and without a word of it."""
    status, _, reason = refused(EMBEDDING, config(**EMBED, service_account_json=file)) or (0, "", "")
    assert status == 400
    assert f"[secret_settings] Invalid value received. [service_account_json] {problem}" in reason
    assert file not in reason


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (
            {"provider": "Anthropic", "project_id": "p"},
            "Google Model Garden provider=anthropic selected. Either 'uri' or 'streaming_uri' must be provided",
        ),
        (
            {**GOOGLE, "url": URL},
            "'provider' is either GOOGLE or null. For Google Vertex AI models 'uri' and 'streaming_uri' must not be"
            " provided. Remove 'url' and 'streaming_url' fields. Provided values:"
            f" uri={URL}, streaming_uri=null",
        ),
        (
            {"project_id": "p"},
            "For Google Vertex AI models, you must provide 'project_id' and 'model_id'. Provided values:"
            " location=null, project_id=p, model_id=null",
        ),
        ({**GOOGLE, "provider": "openai"}, "[provider] must be one of [ai21, anthropic, google, hugging_face, meta"),
        ({**GOOGLE, "location": "a.test/"}, "[location] must match the pattern"),
    ],
)
def test_settings_of_chats_that_do_not_go_together(settings: Mapping[str, Any], problem: str) -> None:
    """Each maker's models need their own settings, and no others; the texts are Elasticsearch's."""
    for kind in (CHAT, COMPLETION):
        status, _, reason = refused(kind, config(**settings)) or (0, "", "")
        assert status == 400
        assert problem in reason


def test_no_more_texts_a_call_than_google_takes() -> None:
    """The bound is told."""
    _, _, reason = refused(EMBEDDING, config(**EMBED, max_batch_size=251)) or (0, "", "")
    assert "Invalid value [251.0]. [max_batch_size] must be less than or equal to [250.0]" in reason


BLOCKED = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 4}}
FAILED = {"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": "Malformed."}]}


@pytest.mark.parametrize(
    ("body", "words", "kind"),
    [
        (BLOCKED, "The prompt was blocked: SAFETY", Kind.INVALID),
        (FAILED, "The model failed to answer: MALFORMED_FUNCTION_CALL. Malformed.", Kind.INTERNAL),
    ],
)
def test_what_is_no_answer_says_why(body: Any, words: str, kind: Kind) -> None:
    """A prompt that was blocked and an answer that failed are errors that name the reason, whole and streamed."""
    resolved = endpoint(CHAT, "googlevertexai", config(**GOOGLE)["service_settings"])
    with pytest.raises(InferenceError) as caught:
        answered(resolved, reply(body))
    _, fault = streamed(resolved, [b"data: " + json.dumps(body).encode() + b"\n\n"])
    assert fault is not None
    for error in (caught.value, fault):
        assert error.kind is kind
        assert error.upstream is not None
        assert error.upstream.message == words


def test_an_error_in_a_stream_is_told() -> None:
    """After words that have come."""
    resolved = endpoint(CHAT, "googlevertexai", config(**GOOGLE)["service_settings"])
    refusal = {"error": {"code": 503, "message": "Overloaded.", "status": "UNAVAILABLE"}}
    begun = {"candidates": [{"content": {"parts": [{"text": "Co"}]}}]}
    _, fault = streamed(resolved, [b"data: " + json.dumps(event).encode() + b"\r\n\r\n" for event in (begun, refusal)])
    assert fault is not None
    assert fault.upstream is not None
    assert (fault.upstream.status, fault.upstream.message) == (503, "Overloaded.")
    assert (fault.upstream.type, fault.upstream.code) == ("UNAVAILABLE", "503")


@pytest.mark.parametrize(
    ("status", "phrase"),
    [
        (401, "Received an unsuccessful status code"),
        (403, "Received a permission denied error status code"),
        (429, "Received a rate limit status code"),
        (503, "The Google Vertex AI service may be temporarily overloaded or down"),
    ],
)
def test_statuses_have_elasticsearchs_phrases(status: int, phrase: str) -> None:
    """Each status in its own words, with Google's after them."""
    resolved = endpoint(CHAT, "googlevertexai", config(**GOOGLE)["service_settings"])
    error = complained(resolved, reply({"error": {"code": status, "message": "No.", "status": "X"}}, status))
    assert str(error) == f"{phrase} for request from inference entity id [e] status [{status}]. Error message: [No.]"


def test_several_candidates_are_several_answers() -> None:
    """Each is a choice of its own."""
    resolved = endpoint(COMPLETION, "googlevertexai", config(**GOOGLE)["service_settings"])
    candidates = [{"content": {"parts": [{"text": word}]}, "finishReason": "STOP"} for word in ("a", "b")]
    completion = answered(resolved, reply({"candidates": candidates}))
    assert isinstance(completion, Completion)
    assert [choice.text for choice in completion.choices] == ["a", "b"]
