"""Cohere's API over endpoints that rank and embed: `model` is an inference id. https://docs.cohere.com/reference."""

from __future__ import annotations

from inferpoint.api.cohere.embed import embed
from inferpoint.api.cohere.openapi import DESCRIPTION
from inferpoint.api.cohere.rerank import rerank, rerank_v1
from inferpoint.api.face import Face, Request, Response, Route, Words, error_response
from inferpoint.api.openapi.description import Form
from inferpoint.errors import InferenceError, Kind

_WORDS = {
    Kind.INVALID: Words(400),
    Kind.CONTEXT_OVERFLOW: Words(400),
    Kind.UNAUTHENTICATED: Words(401),
    Kind.FORBIDDEN: Words(403),
    Kind.NOT_FOUND: Words(404),
    Kind.NO_ROUTE: Words(404, phrase="no such address: {method} {path}"),
    Kind.WRONG_METHOD: Words(405, phrase="{path} takes {allowed}, not {method}"),
    Kind.CONFLICT: Words(409),
    Kind.TOO_LARGE: Words(413),
    Kind.UNSUPPORTED: Words(422),
    Kind.RATE_LIMITED: Words(429),
    Kind.OVERLOADED: Words(503),
    Kind.TIMED_OUT: Words(504),
    Kind.CUT_OFF: Words(502),
    Kind.UNREADABLE: Words(502),
    Kind.INTERNAL: Words(500),
}


def fail(error: InferenceError, request: Request) -> Response:
    """An error in Cohere's form; one of the address alone is without an id."""
    words = _WORDS[error.kind]
    shown = {} if words.phrase else {"id": request.request_id}
    return error_response(error, words.status, {**shown, "message": str(error)})


FACE = Face(
    routes=(
        Route("POST", "/v2/rerank", rerank, infers=True, form=Form("RerankV2Request", "RerankV2Response")),
        Route("POST", "/v1/rerank", rerank_v1, infers=True, form=Form("RerankV1Request", "RerankV1Response")),
        Route("POST", "/v2/embed", embed, infers=True, form=Form("EmbedRequest", "EmbedResponse")),
    ),
    words=_WORDS,
    fail=fail,
    prefix="/v2/",
    description=DESCRIPTION,
)
