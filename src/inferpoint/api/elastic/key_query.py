"""The queries by which API keys are looked for: the part of Elasticsearch's query language that suits them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from inferpoint.errors import Subject, invalid
from inferpoint.model.fields import Fields
from inferpoint.model.wildcards import fits

Key = Mapping[str, Any]
Test = Callable[[Key], bool]

_FIELDS = ("id", "type", "name", "creation", "expiration", "invalidated", "invalidation", "username", "realm")
_TIMES = ("creation", "expiration", "invalidation")
_METADATA = "metadata."
_USUAL, _MOST = 10, 10_000
_DEEPEST = 20
_BOUNDS: Mapping[str, Callable[[Any, Any], bool]] = {
    "gt": lambda one, other: one > other,
    "gte": lambda one, other: one >= other,
    "lt": lambda one, other: one < other,
    "lte": lambda one, other: one <= other,
}


def page(keys: Sequence[Key], body: Mapping[str, Any]) -> tuple[int, Sequence[Key]]:
    """How many of *keys* a *body* selects, and of those the page that it asks for."""
    fields = Fields(body)
    query, sorts = fields.object("query"), _sorts(fields.any("sort"))
    start, size = fields.take("from", int), fields.take("size", int)
    fields.end()
    start, size = 0 if start is None else start, _USUAL if size is None else size
    if start < 0 or size < 0 or start + size > _MOST:
        raise invalid(
            f"[from] and [size] must not be negative, and at most [{_MOST}] together", subject=Subject.REQUEST
        )
    test = _test(query, 0) if query is not None else _any
    selected = [key for key in keys if test(key)]
    for name, descending in reversed(sorts):  # each keeps the order of those before among its equals
        there = [key for key in selected if _value(key, name) is not None]
        there.sort(key=lambda key: _orderly(_value(key, name)), reverse=descending)
        selected = there + [key for key in selected if _value(key, name) is None]
    shown = selected[start : start + size]
    if sorts:
        shown = [{**key, "_sort": [_value(key, name) for name, _ in sorts]} for key in shown]
    return len(selected), shown


def _any(_key: Key) -> bool:
    return True


def _test(query: Any, depth: int) -> Test:
    """What a query says of a key; `INVALID` for one that is not taken."""
    kind, content = _single(query, "A query")
    if depth > _DEEPEST:
        raise invalid("A query is nested too deeply", subject=Subject.BODY)
    match kind:
        case "match_all":
            return _any
        case "ids":
            ids = Fields(content, kind).texts("values") or ()
            return lambda key: key["id"] in ids
        case "bool":
            return _all_of(Fields(content, kind), depth)
        case "exists":
            name = _known(Fields(content, kind).need("field", str))
            return lambda key: _value(key, name) is not None
        case "term" | "match" | "terms" | "prefix" | "wildcard" | "range":
            return _of_field(kind, content)
        case _:
            raise invalid(f"Query type [{kind}] is not supported here", subject=Subject.ARGUMENT)


def _all_of(fields: Fields, depth: int) -> Test:
    """A `bool` query: one of `should` is needed where nothing must be, as in Elasticsearch."""
    parts = {name: [_test(one, depth + 1) for one in _several(fields.any(name))] for name in ("must", "filter")}
    should, must_not = (
        [_test(one, depth + 1) for one in _several(fields.any(name))] for name in ("should", "must_not")
    )
    fields.end()
    required = parts["must"] + parts["filter"]

    def test(key: Key) -> bool:
        if should and not required and not any(one(key) for one in should):
            return False
        return all(one(key) for one in required) and not any(one(key) for one in must_not)

    return test


def _of_field(kind: str, content: Any) -> Test:
    """A query of one field's value."""
    name, wanted = _single(content, f"[{kind}]")
    name = _known(name)
    if kind == "range":
        return _between(name, Fields(wanted, name).rest())
    if isinstance(wanted, dict):
        _, wanted = _single(wanted, f"[{name}]")
    if kind == "terms":
        values = _several(wanted)
        return lambda key: _value(key, name) in values
    if kind in ("term", "match"):
        return lambda key: wanted is not None and _value(key, name) == wanted
    if not isinstance(wanted, str):
        raise invalid(f"[{kind}] needs a string for [{name}]", subject=Subject.BODY)
    pattern = f"{wanted}*" if kind == "prefix" else wanted
    return lambda key: fits(pattern, str(_value(key, name) or ""))


def _between(name: str, bounds: Mapping[str, Any]) -> Test:
    tests: list[Test] = []
    for of, content in bounds.items():
        if of not in _BOUNDS:
            raise invalid(f"[range] does not support [{of}]", subject=Subject.BODY)
        holds, bound = _BOUNDS[of], _time(content) if name in _TIMES else content
        tests.append(lambda key, holds=holds, bound=bound: _holds(holds, _value(key, name), bound))
    return lambda key: all(test(key) for test in tests)


def _holds(holds: Callable[[Any, Any], bool], value: Any, bound: Any) -> bool:
    return value is not None and type(value) is type(bound) and holds(value, bound)


def _time(content: Any) -> int:
    """A moment in milliseconds, content so or as a date."""
    if isinstance(content, int) and not isinstance(content, bool):
        return content
    try:
        return round(datetime.fromisoformat(str(content)).timestamp() * 1000)
    except ValueError:
        raise invalid(f"failed to parse date field [{content}]", subject=Subject.ARGUMENT) from None


def _sorts(content: Any) -> Sequence[tuple[str, bool]]:
    """The fields to sort by, each with whether the greatest comes first."""
    sorts: list[tuple[str, bool]] = []
    for one in _several(content):
        name, how = _single(one, "[sort]") if isinstance(one, dict) else (one, "asc")
        order = Fields(how, "sort").take("order", str) if isinstance(how, dict) else how
        if order not in ("asc", "desc") or not isinstance(name, str):
            raise invalid("[sort] takes names of fields, each with an order of [asc] or [desc]", subject=Subject.BODY)
        sorts.append((_known(name), order == "desc"))
    return sorts


def _known(name: str) -> str:
    if name not in _FIELDS and not name.startswith(_METADATA):
        raise invalid(f"Field [{name}] is not allowed for API Key query", subject=Subject.ARGUMENT)
    return name


def _value(key: Key, name: str) -> Any:
    """The value of a field, or of a member of the metadata by a dotted name."""
    if not name.startswith(_METADATA):
        return key.get(name)
    value: Any = key["metadata"]
    for part in name.removeprefix(_METADATA).split("."):
        value = cast("dict[str, Any]", value).get(part) if isinstance(value, dict) else None
    return value


def _orderly(value: Any) -> tuple[str, Any]:
    """A value that can be compared with any other."""
    return ("", value) if isinstance(value, int | float) else (type(value).__name__, str(value))


def _single(content: Any, what: str) -> tuple[str, Any]:
    """The name and the value of an object's only member; *what* it is, for an error."""
    if not isinstance(content, dict) or len(cast("dict[str, Any]", content)) != 1:
        raise invalid(f"{what} must be an object with one member", subject=Subject.BODY)
    ((name, value),) = cast("dict[str, Any]", content).items()
    return name, value


def _several(content: Any) -> Sequence[Any]:
    """A list, or one value in place of a list of one."""
    if content is None:
        return ()
    return cast("Sequence[Any]", content) if isinstance(content, list) else (content,)
