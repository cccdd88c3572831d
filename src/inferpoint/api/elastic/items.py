"""Inputs that may be objects: the documents and the query of a rerank, the contents of an `embedding`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from inferpoint.errors import InferenceError, Subject, invalid
from inferpoint.model.requests import Contents, Media, Medium, Texts, of_inputs
from inferpoint.model.wording import as_java, nothing_in

_FORMATS: Mapping[str, tuple[str, ...]] = {
    "text": ("text",),
    **dict.fromkeys(Medium, ("base64",)),
}
_URI = "base64 inputs must be specified as data URIs with the format [data:{MIME-type};base64,...]"


def documents(value: Any, problems: list[str]) -> Texts:
    """The documents of a rerank: texts, or objects that hold one."""
    if problem := nothing_in("input", value):
        problems.append(problem)
        return ()
    texts: list[str] = []
    for index, document in enumerate(_listed(value)):
        if isinstance(document, str):
            texts.append(document)
            continue
        kind, text = _item(document, "input", f"entry [{index}]")
        if kind != "text":
            problems.append(f"Field [input] contains unsupported [type] value {kind} at index {index}")
        texts.append(text)
    return tuple(texts)


def query(value: Any, problems: list[str]) -> str:
    """The query of a rerank: a text, or an object that holds one."""
    if value is None:
        problems.append("Field [query] cannot be null")
        return ""
    kind, text = ("text", value) if isinstance(value, str) else _item(value, "query", "it")
    if kind != "text":
        problems.append(f"Field [query] contains unsupported [type] value {kind}")
    if not text:
        problems.append("Field [query] cannot be empty")
    return text


def contents(value: Any, problems: list[str], *, service: str) -> Texts | Contents:
    """The inputs of an `embedding`: texts, or objects with one content each. *service* is the one that embeds them."""
    if problem := nothing_in("inputs", value):
        problems.append(problem)
        return ()
    return of_inputs(_content(entry, index, service) for index, entry in enumerate(_listed(value)))


def _content(value: Any, index: int, service: str) -> str | Media:
    if isinstance(value, str):
        return value
    if not isinstance(value, dict) or set(cast("dict[str, Any]", value)) != {"content"}:
        raise _strange("input", f"entry [{index}] must be a string or an object with [content]")
    entries = _listed(cast("dict[str, Any]", value)["content"])
    if not entries:
        raise _strange("content", f"that of entry [{index}] holds no item")
    if len(entries) > 1:
        raise invalid(
            f"Field [content] must contain a single item for [{service}] service. [content] object with multiple items"
            f" found at $.input.content[{index}]"
        )
    kind, text = _item(entries[0], "content", f"that of entry [{index}]")
    return text if kind == "text" else Media(Medium(kind), text)


def _item(value: Any, name: str, place: str) -> tuple[str, str]:
    """The type and the value of an object with a type, a format and a value, which stands at *place* in [name]."""
    item = cast("dict[str, Any]", value) if isinstance(value, dict) else None
    if item is None or not {"type", "value"} <= set(item) <= {"type", "format", "value"}:
        raise _strange(name, f"{place} must be a string or an object with [type], [value] and perhaps [format]")
    kind, text = item["type"], item["value"]
    if not isinstance(kind, str) or kind.lower() not in _FORMATS:
        raise _strange(name, f"the [type] of {place} must be one of [{', '.join(_FORMATS)}], and not [{as_java(kind)}]")
    formats, named = _FORMATS[kind.lower()], item.get("format")
    chosen = formats[0] if named is None else as_java(named).lower()
    if chosen not in formats:
        raise invalid(
            f"Data type [{kind.lower()}] does not support data format [{chosen}],"
            f" supported formats are [{', '.join(formats)}]"
        )
    if not isinstance(text, str):
        raise _strange(name, f"the [value] of {place} must be a string")
    if chosen == "base64" and not (text.startswith("data:") and ";base64," in text):
        raise invalid(_URI)
    return kind.lower(), text


def _listed(value: Any) -> Sequence[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else [value]


def _strange(name: str, problem: str) -> InferenceError:
    return invalid(f"[1:1] failed to parse field [{name}]: {problem}", subject=Subject.BODY)
