"""Requests nearly right and not right at all, for every route, as hypothesis makes them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

from inferpoint import services
from inferpoint.api.elastic.routes import FACE
from inferpoint.model.endpoint import TaskType
from inferpoint.model.settings import declared

PATHS = sorted({route.path for route in FACE.routes} | {"/livez", "/readyz", "/metrics", "/_inference/{a}/{b}/{c}"})
METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH", "TRACE")
KEPT = ("text", "chat", "small")
_TASKS = [(service, task) for name in services.names() for service in [services.find(name)] for task in service.tasks]
_SETTINGS = sorted(
    {each.name for service, task in _TASKS for each in declared(service.tasks[task].settings)}
    | {each.name for service, task in _TASKS for each in declared(service.tasks[task].options)}
)


@dataclass(frozen=True)
class Asking:
    """One request, to be written to a socket as it is."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes | None = None
    chunked: bool = False

    def written(self) -> bytes:
        """The request's bytes; it asks for the end of the connection."""
        lines = [f"{self.method} {self.target} HTTP/1.1", *(f"{name}: {text}" for name, text in self.headers.items())]
        body = self.body or b""
        if self.chunked:
            lines.append("Transfer-Encoding: chunked")
            body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
        elif self.body is not None:
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1") + body


TEXT = st.text(st.characters(), max_size=12) | st.sampled_from(
    (
        "",
        " ",
        "\0",
        "\ud800",
        "\udfff\ud800",
        "\u2028",
        "é\u0301",
        "\U0010ffff",
        "a" * 5000,
        "null",
        "-1",
        "1e400",
        "${x}",
    )
)
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.sampled_from((10**30, -(2**63), 2**64, 1e308))
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8
)


def requests(url: str) -> st.SearchStrategy[Asking]:
    """Requests whose endpoints call nobody but *url*, which is this machine."""
    return st.builds(
        Asking,
        method=st.sampled_from(METHODS) | st.sampled_from(("GET", "PUT", "POST", "DELETE")),
        target=_targets(),
        headers=_headers(),
        body=st.none() | _encoded(_texts(url)),
        chunked=st.integers(0, 5).map(lambda drawn: drawn == 0),
    ).map(_agreed)


def _agreed(asking: Asking) -> Asking:
    """Mostly the encoding that the header says, so that what is in the body is read."""
    squeezed = (asking.body or b"").startswith(b"\x1f\x8b")
    headers = {**asking.headers, "Content-Encoding": "gzip"} if squeezed else asking.headers
    return Asking(asking.method, asking.target, headers, asking.body, asking.chunked)


def _targets() -> st.SearchStrategy[str]:
    ids = st.sampled_from(KEPT) | st.sampled_from((*KEPT, "new", "_all", "*", "_services", "a" * 300)) | TEXT
    kinds = st.sampled_from([kind.value for kind in TaskType]) | st.just("any") | TEXT
    plain = st.builds(
        lambda path, name, kind, every: path.replace("{inference_id}", _quoted(name, every=every)).replace(
            "{task_type}", _quoted(kind, every=every)
        ),
        st.sampled_from(PATHS), ids, kinds, st.booleans(),
    )  # fmt: skip
    odd = st.sampled_from(("//", "/_inference//", "/%2e%2e/%00", "/_inference/%zz", "/_inference/%", "/a" * 500, "*"))
    return st.builds(lambda path, query: f"{path}?{query}" if query else path, plain | plain | plain | odd, _queries())


def _queries() -> st.SearchStrategy[str]:
    names = st.sampled_from(
        [
            *sorted({name for route in FACE.routes for name in route.parameters}),
            "pretty",
            "human",
            "error_trace",
            "filter_path",
            "format",
        ]
    )
    values = st.sampled_from(
        ("", "true", "false", "maybe", "50ms", "1s", "-1", "0", "1d", "1" * 400 + "s", "1e9s", "nan", "error.type",
         "**", "*.*", "-**", "-error,status", "**.**.**.**.**.type", "a\\.b", ".", ",", "*" * 60)
    ) | TEXT  # fmt: skip
    pairs = st.lists(st.tuples(names | names | names | TEXT, values), max_size=2)
    written = pairs.map(lambda found: "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in found))
    return st.just("") | written | st.sampled_from(("&", "=", "&=&", "%", "pretty&pretty", "a;b", "%ff=%00"))


def _headers() -> st.SearchStrategy[Mapping[str, str]]:
    json_types = (
        "application/json", "application/json; charset=utf-8", "application/json;",
        "application/vnd.elasticsearch+json; compatible-with=9",
        "application/vnd.elasticsearch+json;compatible-with=7", "APPLICATION/JSON", "text/plain", "",
        "application/vnd.elasticsearch+json;compatible-with=" + "9" * 300, "multipart/form-data; boundary=\xff",
    )  # fmt: skip
    latin = st.text(st.characters(codec="latin-1", exclude_categories=("Cc",)), max_size=12).map(str.strip)
    values = {
        "Content-Type": st.just(json_types[0]) | st.sampled_from(json_types),
        "Accept": st.sampled_from((*json_types, "*/*", "text/event-stream")),
        "Content-Encoding": st.sampled_from(("", "identity", "gzip", "GZIP", "br", "gzip, gzip", "deflate")),
        "X-Opaque-Id": latin,
        "Authorization": latin,
        "Origin": st.sampled_from(("http://localhost", "null", "http://elsewhere.example", "")),
        "Expect": st.just("100-continue"),
        "X-Other": latin | st.just("x" * 20_000),
    }
    chosen = st.fixed_dictionaries({}, optional=values)
    hosts = st.sampled_from(("localhost", "127.0.0.1:9210", "[::1]:1"))
    odd = st.sampled_from(("elsewhere.example", "", "[", "a@localhost", "localhost:999999", "[::1]x"))
    few = st.integers(0, 9).flatmap(lambda drawn: odd if drawn == 0 else hosts)
    return st.builds(lambda host, more: {"Host": host, **more}, few, chosen)


def _texts(url: str) -> st.SearchStrategy[bytes]:
    """JSON, as it should be or not: what is wrong is a value's type, a name, or the text itself."""
    configs = st.builds(_config, st.sampled_from(_TASKS), st.just(url), st.sampled_from(_addresses(url)))
    inferences = st.fixed_dictionaries(
        {"input": st.sampled_from(("x", ["x", "y"])) | VALUES},
        optional={
            "input_type": st.sampled_from(("search", "ingest", "classification")) | VALUES,
            "task_settings": st.dictionaries(st.sampled_from(_SETTINGS) | TEXT, VALUES, max_size=3) | VALUES,
            "timeout": st.sampled_from(("1s", "1ms", "0s", "-1")) | VALUES,
        },
    )
    right = configs | inferences
    return st.builds(_spoilt, right | right.flatmap(_mutated) | VALUES, st.sampled_from([*["not"] * 12, *_SPOILERS]))


def _config(of: tuple[Any, Any], url: str, address: str) -> dict[str, Any]:
    service, task = of
    given: dict[str, Any] = {}
    for each in declared(service.tasks[task].settings):
        given[each.name] = "a"
    given |= {
        "url": address or url,
        "rate_limit": {"requests_per_minute": 100_000_000},
        "model_id": "anthropic.claude-1",
    }
    given |= {"region": "us-east-1", "provider": "anthropic", "model": "m"}
    known = {each.name for each in declared(service.tasks[task].settings)} - {"dimensions", "similarity", "max_tokens"}
    kept = {name: value for name, value in given.items() if name in known}
    return {"service": service.name, "task_type": task.value, "service_settings": kept}


def _addresses(url: str) -> tuple[str, ...]:
    return (
        url,
        url,
        url,
        "http://127.0.0.1:1/",
        "ftp://127.0.0.1/x",
        "http://[::1",
        "http://127.0.0.1:99999/",
        "http://",
        "x",
    )


def _mutated(right: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """*right* with one value, at its top or one below, that may be anything; no address but those of this machine."""
    places = [(name,) for name in right]
    for name, value in right.items():
        if isinstance(value, dict):
            places += [(name, inner) for inner in value if inner != "url"]
            places += [(name, inner) for inner in _SETTINGS if inner != "url"]
    return st.builds(lambda place, value: _replaced(right, place, value), st.sampled_from(places), VALUES)


def _replaced(right: dict[str, Any], place: tuple[str, ...], value: Any) -> dict[str, Any]:
    name, *rest = place
    return {**right, name: {**right[name], rest[0]: value} if rest else value}


_SPOILERS: dict[str, Callable[[str], str | bytes]] = {
    "not": lambda text: text,
    "cut": lambda text: text[: len(text) * 2 // 3],
    "name twice": lambda text: '{"input": 1, "service": [], ' + text.removeprefix("{"),
    "nul": lambda text: text.replace(" ", "\0"),
    "byte-order mark": lambda text: "\ufeff" + text,
    "deep": lambda _: '{"input": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "less deep": lambda _: '{"service_settings": ' + '{"a":' * 900 + "1" + "}" * 901,
    "huge numbers": lambda _: '{"input": ' + "9" * 6000 + ', "service_settings": {"dimensions": 1e999}}',
    "more than is read": lambda _: json.dumps({"input": ["x" * 1000] * 1200}),
    "unescaped": lambda text: json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8", "surrogatepass"),
    "twice": lambda text: text + text,
    "utf-16": lambda text: text.encode("utf-16"),
    "empty": lambda _: "",
    "blank": lambda _: " \n",
}


def _spoilt(value: Any, how: str) -> bytes:
    text = _SPOILERS[how](json.dumps(value))
    return text if isinstance(text, bytes) else text.encode()


def _encoded(texts: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Mostly as it is; sometimes squeezed, sometimes not quite."""
    squeezed = texts.map(lambda text: gzip.compress(text, 1))
    broken = st.builds(
        lambda data, spoil: spoil(data),
        squeezed,
        st.sampled_from((lambda data: data[:-5], lambda data: data[:10] + b"\xff" * 4, lambda data: data + data)),
    )
    bomb = st.just(gzip.compress(b" " * 20_000_000, 9))
    rare = st.integers(0, 19).flatmap(lambda drawn: bomb if drawn == 0 else broken)
    return texts | texts | texts | squeezed | rare


def _quoted(text: str, *, every: bool = False) -> str:
    """*text* as a path or a query may hold it, every byte of it escaped or only those that must be."""
    data = text.encode("utf-8", "surrogatepass")
    return "".join(f"%{byte:02x}" for byte in data) if every else quote(data, safe="*,")
