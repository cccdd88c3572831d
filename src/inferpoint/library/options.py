"""The keyword arguments of the library's methods, and what is made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict, cast

from inferpoint.errors import invalid
from inferpoint.model.requests import Chunking, Texts

Settings = Mapping[str, Any]


class CallOptions(TypedDict, total=False):
    """`task_settings` go before the endpoint's. `timeout` is in seconds."""

    task_settings: Settings | None
    timeout: float | None


class EmbeddingOptions(CallOptions, total=False):
    """`input_type` tells what embeddings are for, `partial` that a text which cannot be embedded has an error."""

    input_type: str | None
    partial: bool


class InferenceOptions(EmbeddingOptions, total=False):
    """The ways in which an inference may differ from the endpoint's own: the keyword arguments of `infer`."""

    chunked: bool
    chunking_settings: Settings | None


class RankingOptions(CallOptions, total=False):
    """`top_n` is how many documents are wanted, `return_documents` whether with their texts."""

    top_n: int | None
    return_documents: bool | None


class ChatOptions(TypedDict, total=False):
    """How a model is to answer, in OpenAI's names and forms. `timeout` is in seconds; of a stream, for its begin."""

    tools: Sequence[Settings] | None
    tool_choice: str | Settings | None
    parallel_tool_calls: bool | None
    max_tokens: int | None
    temperature: float | None
    top_p: float | None
    stop: str | Sequence[str] | None
    reasoning_effort: str | None
    response_format: Settings | None
    timeout: float | None


def check_names(method: str, named: Mapping[str, object], declared: Any) -> None:
    """`TypeError` for names that the typed dictionary *declared* lacks or misses, as for Python's own parameters."""
    for name in named:
        if name not in declared.__annotations__:
            raise TypeError(f"Inferpoint.{method}() got an unexpected keyword argument {name!r}")
    if missing := sorted(declared.__required_keys__ - named.keys()):
        names = ", ".join(map(repr, missing))
        raise TypeError(f"Inferpoint.{method}() is missing required keyword arguments: {names}")


def as_json(config: Mapping[str, Any]) -> dict[str, Any]:
    """*config* as it would be read from JSON: any mapping a dict, any sequence a list, and no None of its own."""
    return {name: _plain(value) for name, value in config.items() if value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in cast("Settings", value).items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_plain(inner) for inner in cast("Iterable[Any]", value)]
    return value


def checked_texts(texts: str | Sequence[str]) -> Texts:
    """One text or several as a tuple; `INVALID` for none, or for what is no text (a program need not have types)."""
    several = (texts,) if isinstance(texts, str) else tuple(texts)
    if not several:
        raise invalid("There is no text")
    if not all(isinstance(text, str) for text in several):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise invalid("Every text must be a string")
    return several


def chunking(settings: Settings | None, *, chunked: bool) -> Chunking | None:
    """How long texts are to be cut, or None; `INVALID` for settings without *chunked*."""
    if chunked:
        return Chunking(None if settings is None else dict(settings), return_text=True)
    if settings is not None:
        raise invalid("[chunking_settings] needs [chunked] to be true")
    return None
