"""What every task has: a key, an address, how the containers complain."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from typing import Any, cast

import msgspec

from inferpoint.errors import Upstream
from inferpoint.model.http import Reply, parse
from inferpoint.model.inference import Usage
from inferpoint.model.settings import secret, setting, settings
from inferpoint.protocols.service import RateLimit, rate_limit

REQUESTS_PER_MINUTE = 3000
PHRASES = {
    413: "Received a content too large status code",
    502: "Received a rate limit status code",
    503: "Received a rate limit status code",
}
# A deployment that was scaled to zero answers 502 or 503 until it is awake.
RETRIED = frozenset({429, 502, 503})


@settings
class Settings:
    """One deployed model."""

    api_key: str = secret("The Hugging Face access token.")
    url: str = setting("The address of the inference endpoint, used as it is given.", url=True)
    rate_limit: RateLimit | None = rate_limit()


def group(model: Settings) -> Hashable:
    """One queue for an address and a key, as in Elasticsearch."""
    return model.url, model.api_key


def usage(reply: Reply) -> Usage | None:
    """What Text Embeddings Inference counted, which is in a header alone."""
    tokens = reply.headers.get("x-compute-tokens", "")
    return Usage(input=int(tokens)) if re.fullmatch("[0-9]{1,18}", tokens) else None


class _Refusal(msgspec.Struct):
    error: Any = None
    error_type: str | None = None
    detail: Any = None
    message: str | None = None


def complaint(reply: Reply) -> Upstream:
    """Containers differ: a string, a list of strings or an object under `error`, or `detail`, or `message`."""
    said = parse(reply.body, _Refusal, of="error")
    found = next((each for each in (said.error, said.detail, said.message) if each), "")
    given = _members(said.error)
    kind, code = given.get("type"), given.get("code", given.get("http_status_code"))
    return Upstream(
        reply.status,
        _words(found),
        kind if isinstance(kind, str) else said.error_type,
        str(code) if isinstance(code, str | int) else None,
        param if isinstance(param := given.get("param"), str) else None,
    )


def _members(found: Any) -> Mapping[str, Any]:
    """The members of an error as OpenAI writes it."""
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}


def _words(found: Any) -> str:
    match found:
        case str():
            return found
        case {"message": str(message)}:
            return message
        case [*parts] if all(isinstance(part, str) for part in parts):
            return "; ".join(parts)
        case _:  # whatever it is, and however deep
            return msgspec.json.encode(found).decode()
