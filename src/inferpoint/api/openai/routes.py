"""OpenAI's API over the same endpoints: `model` is an inference id or an alias.

https://platform.openai.com/docs/api-reference.
"""

from __future__ import annotations

from inferpoint.access import actions
from inferpoint.api.face import Face, Route
from inferpoint.api.openai.chat import chat
from inferpoint.api.openai.completions import complete
from inferpoint.api.openai.embeddings import embed
from inferpoint.api.openai.errors import WORDS, fail
from inferpoint.api.openai.models import model, models
from inferpoint.api.openai.openapi import DESCRIPTION
from inferpoint.api.openai.responses.routes import Responses
from inferpoint.api.openai.responses.store import ResponseStore
from inferpoint.api.openapi.description import Form

_MAKER = frozenset({"anthropic-version"})
_PAGE = _MAKER | {"limit", "after_id", "before_id"}


def face(store: ResponseStore) -> Face:
    """The face, which keeps responses in *store*."""
    return Face(
        routes=(
            Route("POST", "/v1/embeddings", embed, infers=True, form=Form("EmbeddingsRequest", "EmbeddingsResponse")),
            Route(
                "POST",
                "/v1/chat/completions",
                chat,
                infers=True,
                form=Form("ChatCompletionRequest", "ChatCompletion", "ChatCompletionEvents"),
            ),
            Route(
                "POST",
                "/v1/completions",
                complete,
                infers=True,
                form=Form("CompletionRequest", "CompletionResponse", "CompletionEvents"),
            ),
            *Responses(store).routes(),
            Route("GET", "/v1/models", models, _PAGE, form=Form(gives="ModelList"), action=actions.GET),
            Route("GET", "/v1/models/{model}", model, _MAKER, form=Form(gives="ModelAnswer"), action=actions.GET),
            Route(
                "GET", "/v1/models/{maker}/{model}", model, _MAKER, form=Form(gives="ModelAnswer"), action=actions.GET
            ),
        ),
        words=WORDS,
        fail=fail,
        prefix="/v1/",
        description=DESCRIPTION,
    )
