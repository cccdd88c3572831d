"""Chats and completions in OpenAI's format, as a whole task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol, TypeVar, cast

from inferpoint.model.hints import Hint
from inferpoint.model.http import Call
from inferpoint.model.requests import InferenceRequest
from inferpoint.protocols.openai import replies
from inferpoint.protocols.openai.account import Options, post
from inferpoint.protocols.openai.failures import FAILURES
from inferpoint.protocols.openai.hints import NAMES
from inferpoint.protocols.openai.requests import request_body
from inferpoint.protocols.openai.stream import Chunks
from inferpoint.protocols.service import Rates, Task


class Model(Protocol):
    """The settings that a chat reads; without `url` it goes to the service's own address."""

    @property
    def model_id(self) -> str | None:
        """The model to call, where the server has several."""
        ...

    @property
    def url(self) -> str | None:
        """The whole address to call."""
        ...


M = TypeVar("M", bound=Model)
_STREAM_OPTIONS, _CHOICES = "stream_options", "n"
_HINTS = NAMES | {Hint.EFFORT}


def as_they_came(_model: Any, _origin: str) -> str:
    """Thoughts go back under the name that they came by."""
    return ""


def chat(
    label: str,
    settings: type[M],
    rates: Rates[M],
    *,
    path: str = "/chat/completions",
    max_tokens: str = "max_completion_tokens",
    n: int | None = 1,
    tells_usage: bool = True,
    thoughts: Callable[[M, str], str | None] = as_they_came,
) -> Task[M, Any]:
    """The task of chats and of completions, which are chats of one turn; what else differs is said by `replace`.

    *path* follows the service's address; *max_tokens* is the server's name of that limit, *n* the choices to ask for,
    *tells_usage* whether to ask for it in streams, *thoughts* as in `request_body`, None where the server takes none.
    """

    def encode(request: InferenceRequest, model: M, options: object, origin: str) -> Call:
        asked = request_body(request.conversation, model.model_id, most=max_tokens, thoughts=thoughts(model, origin))
        choices = None if _CHOICES in request.left_out else n
        body = {**asked, _CHOICES: choices, "stream": request.stream, **request.params, **request.hints}
        if request.stream and tells_usage and _STREAM_OPTIONS not in request.left_out:
            body[_STREAM_OPTIONS] = {"include_usage": True}
        return post(model.url or f"{origin}{path}", body, options)

    return Task(
        label=label,
        settings=settings,
        options=Options,
        encode=encode,
        decode=lambda reply, _request, _model, _options: replies.completion(reply, label),
        reader=lambda _: Chunks(label),
        hints=lambda model, origin: _HINTS if thoughts(model, origin) is None else _HINTS | {Hint.THOUGHTS},
        unasked=frozenset([*([_STREAM_OPTIONS] if tells_usage else []), *([_CHOICES] if n is not None else [])]),
        with_model=lambda account, model: replace(cast("Any", account), model_id=model),
        rates=rates,
        failures=FAILURES,
    )
