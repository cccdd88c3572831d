"""The form of every Elasticsearch route: media types, `pretty`, `filter_path`, and unknown parameters refused."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec
from msgspec.structs import replace

from inferpoint.api.face import JSON, Request, Response, Route
from inferpoint.api.headers import OPAQUE_ID
from inferpoint.errors import InferenceError, Subject, invalid
from inferpoint.model.wildcards import fits

PRODUCT = ("x-elastic-product", "Elasticsearch")  # clients refuse answers without it, whoever wrote them
_COMMON = frozenset({"pretty", "human", "error_trace", "filter_path", "format"})
_FLAGS = frozenset({
    "pretty", "human", "error_trace", "chunked", "dry_run", "force", "partial", "prune", "skip_validation",
})  # fmt: skip
_VENDOR = re.compile(r"application/vnd\.elasticsearch\+json\s*;\s*compatible-with\s*=\s*([89])\b", re.IGNORECASE)
_PLAIN = ("", "*/*", JSON)
_READ = re.compile(r"\s*(application/json|application/vnd\.elasticsearch\+json)\s*(;|$)", re.IGNORECASE)


def check(request: Request, route: Route) -> None:
    """Refuse a parameter that the route does not have, and a body that is not JSON by its own words."""
    if request.query:
        _check_query(request, route)
    content_type = request.headers.get("content-type")
    if route.form.takes and content_type is not None and not _READ.match(content_type):
        raise invalid(f"Content-Type header [{content_type}] is not supported", subject=Subject.MEDIA_TYPE)


def finish(response: Response, request: Request) -> Response:
    """*response* with the media type that was asked for, filtered and indented where that was asked for."""
    headers = request.headers
    if OPAQUE_ID in headers:
        response = replace(response, headers={**response.headers, OPAQUE_ID: headers[OPAQUE_ID]})
    if response.content_type != JSON:
        return response
    if request.query:
        response = replace(response, body=_shaped(response.body, request.query))
    if "accept" not in headers or headers["accept"] in _PLAIN:
        return response
    if (accepted := _VENDOR.search(headers["accept"])) is None:
        return response
    return replace(response, content_type=f"application/vnd.elasticsearch+json;compatible-with={accepted[1]}")


def _check_query(request: Request, route: Route) -> None:
    unknown = [name for name in request.query if name not in _COMMON | route.parameters]
    if unknown:
        plural = "s" if len(unknown) > 1 else ""
        shown = ", ".join(f"[{name}]" for name in unknown)
        raise invalid(
            f"request [{request.path}] contains unrecognized parameter{plural}: {shown}", subject=Subject.ARGUMENT
        )
    for name in request.query:  # also those that nobody asks for later
        if name in _FLAGS:
            flag(request.query, name)


def _shaped(body: bytes, query: Mapping[str, str]) -> bytes:
    if paths := query.get("filter_path"):
        body = msgspec.json.encode(filtered(msgspec.json.decode(body), paths.split(",")))
    if query.get("pretty", "false") in ("", "true"):  # any other word was refused: this response may say so
        body = msgspec.json.format(body, indent=2) + b"\n"
    return body


def flag(query: Mapping[str, str], name: str) -> bool:
    """A parameter that is true when it is there without a value."""
    if name not in query:
        return False
    value = query[name]
    if value not in ("", "true", "false"):
        problem = f"Failed to parse value [{value}] as only [true] or [false] are allowed."
        raise invalid(problem, subject=Subject.ARGUMENT)
    return value != "false"


def number(query: Mapping[str, str], name: str, usual: int, most: int) -> int:
    """A parameter that is a number from 0 to *most*, and the *usual* one where it is not there."""
    text = query.get(name, str(usual))
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= most):
        raise wrong_value(name, text, f"a number from 0 to {most}")
    return int(text)


def wrong_value(name: str, text: str, wanted: str) -> InferenceError:
    """The error of a parameter that is no *wanted* value."""
    return invalid(f"Failed to parse value [{text}] of [{name}]: it must be {wanted}", subject=Subject.ARGUMENT)


def filtered(value: Any, paths: Sequence[str]) -> Any:
    """*value* without what `filter_path` leaves out: dotted paths, `*` within a name, `**` over levels, `-` to exclude.

    Exclusions are applied to what the inclusions leave, as Elasticsearch does.
    """
    included = [_pattern(path) for path in paths if path and not path.startswith("-")]
    excluded = [_pattern(path[1:]) for path in paths if path.startswith("-")]
    if included:
        value = _filtered(value, included, keep=True)
    if excluded:
        value = _filtered(value, excluded, keep=False)
    return {} if value is _NOTHING else value


_NOTHING = object()
_Pattern = tuple[str, ...]


def _pattern(path: str) -> _Pattern:
    """The parts of a path; of several `**` in a row one says as much, and is quicker."""
    parts = [part.replace("\0", ".") for part in path.strip().replace("\\.", "\0").split(".")]
    return tuple(part for before, part in zip(["", *parts], parts, strict=False) if not before == part == "**")


def _after(patterns: Sequence[_Pattern], name: str) -> list[_Pattern]:
    """The rest of each pattern that goes on with *name*; an empty one has matched."""
    left: list[_Pattern] = []
    for head, *rest in patterns:
        if head == "**":
            left += [(head, *rest), *([()] if not rest else _after([tuple(rest)], name))]
        elif fits(head, name):
            left.append(tuple(rest))
    return list(dict.fromkeys(left))


def _filtered(value: Any, patterns: Sequence[_Pattern], *, keep: bool) -> Any:
    """*value* with nothing but the members that fit *patterns* or, unless *keep*, with all others."""
    if isinstance(value, dict):
        members: dict[str, Any] = {}
        for name, inner in cast("dict[str, Any]", value).items():
            rest = _after(patterns, name)
            whole = inner if keep else _NOTHING
            member = whole if () in rest else _filtered(inner, rest, keep=keep)
            if member is not _NOTHING:
                members[name] = member
        return members or _NOTHING
    if isinstance(value, list):
        entries = [_filtered(inner, patterns, keep=keep) for inner in cast("list[Any]", value)]
        entries = [entry for entry in entries if entry is not _NOTHING]
        return entries if entries or not keep else _NOTHING
    return _NOTHING if keep else value
