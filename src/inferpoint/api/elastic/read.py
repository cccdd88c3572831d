"""Bodies to inferences, or an error that says what is wrong with them.

The fields about chunks are ours, for Elasticsearch keeps chunking inside, and so is the form of vectors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec
from typing_extensions import override

from inferpoint.api.elastic import items
from inferpoint.api.elastic.form import flag
from inferpoint.api.face import Request
from inferpoint.errors import InferenceError, Subject, invalid
from inferpoint.model import times
from inferpoint.model.endpoint import TaskType
from inferpoint.model.fields import Fields, Vocabulary
from inferpoint.model.requests import Chunking, Documents, InferenceRequest, InputType, Texts, purpose
from inferpoint.model.wording import nothing_in

PARTIAL = "partial"
CHUNKED = "chunked"
_PARSER = "cluster:internal/xpack/inference"
_CHUNKING = ("chunking_settings", "return_text", "fold")
_FORM, _FORMS = "encoding_format", {"float": False, "base64": True}  # whether vectors are packed, as OpenAI names it
_FIELDS = ("input", "input_type", "task_settings", "timeout", _FORM, PARTIAL, CHUNKED, *_CHUNKING)
_RERANK_FIELDS = ("input", "query", "return_documents", "top_n", "task_settings", "timeout", PARTIAL)
_PREVIEW_FIELDS = ("input", *_CHUNKING)
_TOKENS: dict[Any, str] = {
    str: "VALUE_STRING",
    bool: "VALUE_BOOLEAN",
    int: "VALUE_NUMBER",
    float: "VALUE_NUMBER",
    type(None): "VALUE_NULL",
    dict: "START_OBJECT",
    list: "START_ARRAY",
}
_INPUT_TYPE = "input_type"


class ParserWords(Vocabulary):
    """The words of the parser of Elasticsearch that is called *parser*, with the place in *body* of what is wrong."""

    def __init__(self, body: bytes, parser: str = _PARSER) -> None:
        self._body = body
        self._parser = parser

    @override
    def not_json(self, reason: str) -> InferenceError:
        if not reason:
            return invalid("request body is required", subject=Subject.MISSING_BODY)
        return invalid(f"[1:1] the body is not JSON: {reason}", subject=Subject.BODY)

    @override
    def twice(self, name: str) -> InferenceError:
        key = msgspec.json.encode(name)
        at = self._body.find(key, self._body.find(key) + 1)
        return invalid(f"{_place(self._body, at)} Duplicate field '{name}'", subject=Subject.BODY)

    @override
    def not_object(self, of: str, value: Any) -> InferenceError:
        return invalid("[1:1] the body must be a JSON object", subject=Subject.BODY)

    @override
    def wrong_type(self, of: str, name: str, kind: type[Any], value: Any) -> InferenceError:
        return self._error(name, f"{name} doesn't support values of type: {_TOKENS[value.__class__]}")

    @override
    def wrong_entry(self, of: str, name: str, index: int) -> InferenceError:
        return self._error(name, f"failed to parse field [{name}]: entry [{index}] must be a string")

    @override
    def unknown(self, of: str, names: Sequence[str]) -> InferenceError:
        where = f"[{of}] " if of else ""
        return self._error(names[0], f"{where}unknown field [{names[0]}]")  # the parser stops at the first

    def _error(self, name: str, problem: str) -> InferenceError:
        return invalid(f"{position(self._body, name)} [{self._parser}] {problem}", subject=Subject.BODY)


def json_object(request: Request) -> dict[str, Any]:
    """The body as an object."""
    return request.object(ParserWords(request.body))


def known(body: Mapping[str, Any], names: Sequence[str], words: ParserWords) -> Fields:
    """The members of *body*, which may have no others than *names*, be they null."""
    for name in body:
        if name not in names:
            raise words.unknown("", (name,))
    return Fields(body, words=words)


def inference(request: Request, kind: TaskType | None, *, items_for: str | None = None) -> InferenceRequest:
    """The inference of a body of inputs. The query's timeout goes before the body's.

    With *items_for*, the service of an `embedding` endpoint, inputs may be objects.
    """
    body = _fields(request, _FIELDS)
    if items_for is None and not request.query and body.has_only("input"):
        return request.inference(_only_texts(body))  # all else is as usual
    problems: list[str] = []
    options = body.object("task_settings") or {}
    if items_for is None:
        texts = _texts(body, problems)
    else:
        texts = items.contents(body.any("input"), problems, service=items_for)
    input_type = _input_type(body.take(_INPUT_TYPE, str))
    if input_type is not None and kind is not None and not kind.embeds:
        problems.append(f"Field [input_type] cannot be specified for task type [{kind}]")
    form = body.take(_FORM, str) or "float"
    if form not in _FORMS:
        problems.append(f"Field [{_FORM}] must be one of [{', '.join(_FORMS)}], but was [{form}]")
    if problems:
        raise invalid(*problems, subject=Subject.REQUEST)
    if (kind is None or kind.embeds) and isinstance(options.get(_INPUT_TYPE), str):
        # Kibana's connector says it here, whatever the service; what stands at the top goes before it.
        input_type = input_type or _input_type(options[_INPUT_TYPE])
        options = {name: value for name, value in options.items() if name != _INPUT_TYPE}
    return request.inference(
        texts,
        input_type=input_type,
        options=options,
        chunking=_asked_chunking(body, request.query),
        partial=_partial(request, body),
        packed=_FORMS[form],
        timeout=_seconds(request, body),
    )


def rerank(request: Request) -> InferenceRequest:
    """The inference of a rerank: documents to put in order, and the query to do it by."""
    body = _fields(request, _RERANK_FIELDS)
    problems: list[str] = []
    return_documents, top_n = body.take("return_documents", bool), body.take("top_n", int)
    texts = items.documents(body.any("input"), problems)
    documents = Documents(items.query(body.any("query"), problems), texts, return_documents, top_n)
    if top_n is not None and top_n < 1:
        problems.append("Field [top_n] must be greater than or equal to 1")
    if problems:
        raise invalid(*problems, subject=Subject.REQUEST)
    return request.inference(
        documents,
        options=body.object("task_settings") or {},
        partial=_partial(request, body),
        timeout=_seconds(request, body),
    )


def preview(request: Request) -> tuple[InferenceRequest, Chunking]:
    """The texts whose chunks are to be shown, and how to cut them."""
    body = _fields(request, _PREVIEW_FIELDS)
    return request.inference(_only_texts(body)), _chunking(body)


def timeout(query: Mapping[str, str], name: str = "timeout") -> float | None:
    """The parameter called *name* in seconds."""
    return _time(query.get(name), name)


def position(body: bytes, name: str) -> str:
    """Where *name* stands as a key in *body*, as Elasticsearch's `[line:column]`."""
    return _place(body, body.find(msgspec.json.encode(name)))


def _place(body: bytes, at: int) -> str:
    at = max(0, at)
    line, column = body.count(b"\n", 0, at) + 1, at - body.rfind(b"\n", 0, at)
    return f"[{line}:{column}]"


def _fields(request: Request, names: Sequence[str]) -> Fields:
    words = ParserWords(request.body)
    return known(request.object(words), names, words)


def _only_texts(body: Fields) -> Texts:
    """The inputs of a request with which nothing else can be wrong."""
    problems: list[str] = []
    texts = _texts(body, problems)
    if problems:
        raise invalid(*problems, subject=Subject.REQUEST)
    return texts


def _texts(body: Fields, problems: list[str]) -> Texts:
    texts = body.text_or_texts("input")
    if problem := nothing_in("input", texts):
        problems.append(problem)
    return texts or ()


def _input_type(name: str | None) -> InputType | None:
    return None if name is None else purpose(name)


def _seconds(request: Request, body: Fields) -> float | None:
    asked, seconds = timeout(request.query), _time(body.take("timeout", str))
    return seconds if asked is None else asked


def _time(text: str | None, name: str = "timeout") -> float | None:
    return None if text is None else times.seconds(text, name=name)


def _partial(request: Request, body: Fields) -> bool:
    """Whether inputs that cannot be embedded are to have errors of their own. The body goes before the query."""
    return _boolean(body, PARTIAL, default=flag(request.query, PARTIAL))


def _asked_chunking(body: Fields, query: Mapping[str, str]) -> Chunking | None:
    """How a request asks its inputs to be cut; None when it does not ask."""
    if _boolean(body, CHUNKED, default=flag(query, CHUNKED)):
        return _chunking(body)
    if problems := [f"Field [{name}] needs [{CHUNKED}] to be true" for name in _CHUNKING if name in body]:
        raise invalid(*problems, subject=Subject.REQUEST)
    return None


def _chunking(body: Fields) -> Chunking:
    """The fields of a request that is about chunks."""
    settings = body.any("chunking_settings")
    if settings is not None and not isinstance(settings, dict):
        raise invalid("Field [chunking_settings] must be an object", subject=Subject.REQUEST)
    typed = cast("dict[str, Any] | None", settings)
    return Chunking(typed, _boolean(body, "return_text", default=False), _boolean(body, "fold", default=True))


def _boolean(body: Fields, name: str, *, default: bool) -> bool:
    """A field of ours that is true or false."""
    value = body.any(name)
    if value is not None and not isinstance(value, bool):
        raise invalid(f"Field [{name}] must be true or false", subject=Subject.REQUEST)
    return default if value is None else value
