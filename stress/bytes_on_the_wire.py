"""What no client sends and no provider answers: bytes that are broken requests and broken replies."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass

from hypothesis import strategies as st

BODY = b'{"input": "x"}'
_LONG = b"y" * 70_000
_SECOND = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
_TARGETS = (
    b"/_inference/chat", b"/_inference/chat/_stream", b"/_inference", b"/livez", b"http://localhost/livez", b"*",
    b"http://elsewhere.example/", b"localhost:80", b"//livez", b"/%00", b"/\xff\xfe", b"/ /", b"?", b"#", b"",
    b"/LONG",
)  # fmt: skip
_METHODS = (b"GET", b"POST", b"PUT", b"CONNECT", b"OPTIONS", b"get", b"PRI", b"POST\0", b"M-SEARCH", b"")
_VERSIONS = (b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/0.9", b"HTTP/1.10", b"HTTP", b"")
_FIELDS = (
    b"Host: localhost", b"Host: localhost", b"Host: ", b"Host: a\r\nHost: b", b"Content-Length: 14",
    b"Content-Length: 14", b"Content-Length: 5", b"Content-Length: 50", b"Content-Length: -1", b"Content-Length: 1e3",
    b"Content-Length: 14, 14", b"Content-Length: 99999999999999999999999999", b"Content-Length: 9999999",
    b"Content-Length: +14", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked, identity",
    b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: xchunked", b"Connection: close",
    b"Connection: Upgrade\r\nUpgrade: websocket", b"Upgrade: h2c", b"Expect: 100-continue", b"Expect: nothing",
    b"X: LONG", b"LONG: y", b": nameless", b"no colon", b"X : space", b" folded", b"X: a\r\n b", b"X: \0", b"X: \xff",
    b"Content-Type: application/json", b"Content-Encoding: gzip",
)  # fmt: skip
_BODIES = (
    BODY, BODY, b"", BODY[:3], BODY + BODY, b"e\r\n" + BODY + b"\r\n0\r\n\r\n", b"e\r\n" + BODY, b"zz\r\n", b"-1\r\n",
    b"fffffffffffffffff\r\n", b"e;x=y\r\n" + BODY + b"\r\n0\r\nTrailer: t\r\n\r\n", b"0\r\n\r\n" + _SECOND,
    _SECOND * 3,
)  # fmt: skip


def spoken() -> st.SearchStrategy[bytes]:
    """What one connection says: a request or several, whole or cut, or anything."""
    line = st.builds(
        lambda *parts: b" ".join(parts),
        st.sampled_from(_METHODS),
        st.sampled_from(_TARGETS),
        st.sampled_from(_VERSIONS),
    )
    end = st.sampled_from((b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r"))
    request = st.builds(
        lambda line, fields, body, end: end.join((line, *fields, b"", b"")).replace(b"LONG", _LONG) + body,
        line, st.lists(st.sampled_from(_FIELDS), max_size=5), st.sampled_from(_BODIES), end,
    )  # fmt: skip
    several = st.lists(request | st.just(_SECOND), min_size=1, max_size=4).map(b"".join)
    cut = st.builds(lambda data, at: data[: len(data) * at // 100], several, st.integers(1, 99))
    return several | several | cut | st.binary(max_size=200)


@dataclass(frozen=True)
class Broken:
    """What a provider sends, in pieces, and whether it then hangs up."""

    pieces: tuple[bytes, ...]
    hangs_up: bool


_CHUNK = b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"hi"}}]}\n\n'
_WHOLE = json.dumps({"id": "c", "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}}]}).encode()
_VECTORS = b'{"data":[{"index":0,"embedding":[0.1,0.2]}]}'
_CONTENTS = (
    _WHOLE, _WHOLE, _VECTORS, _VECTORS, b"", b"null", b"[]", b"{}", b'{"choices":[]}', b'{"data":[]}',
    b"<html>no</html>", b"\0", b"\xff\xfe", b'{"choices":' + b"[" * 50_000, b'{"data":[{"index":9,"embedding":[1]}]}',
    b'{"data":[{"index":-1,"embedding":[]}]}', b'{"data":[{"embedding":[1,"x",null]}]}',
    b'{"data":[{"embedding":"AAAA"}]}', b'{"error":{"message":"\\ud800"}}',
    b'{"error":{"message":"' + b"e" * 100_000 + b'"}}', b'{"error":"text"}', b'{"error":null}', _WHOLE[:-9],
    _WHOLE * 2, gzip.compress(_WHOLE), b" " * 3_000_000, _CHUNK * 3 + b"data: [DONE]\n\n", _CHUNK,
    _CHUNK + b"data: {\n\n", b"data: null\n\n", b"data: [DONE]\n\n", b"data:\n\n" * 500, b"event: error\ndata: x\n\n",
    b"\xef\xbb\xbf" + _CHUNK, _CHUNK.replace(b"\n", b"\r"), b"data: " + b"x" * 1_000_000,
    _CHUNK + b'data: {"error":{"message":"late","code":7}}\n\n', b":\n" * 5000, b"id: \0\nretry: x\n\n",
    b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n',
    b'data: {"choices":[{"delta":{"content":"\\ud800"}}]}\n\n',
)  # fmt: skip
_LINES = (
    b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK", b"HTTP/1.0 200 OK", b"HTTP/1.1 200",
    b"HTTP/1.1 2000 OK", b"ICY 200 OK", b"HTTP/1.1 101 Switching Protocols",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK",
    b"HTTP/1.1 100 Continue", b"HTTP/1.1 204 No Content", b"HTTP/1.1 301 Moved",
    b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/", b"HTTP/1.1 304 Not Modified", b"HTTP/1.1 307 Go",
    b"HTTP/1.1 400 Bad", b"HTTP/1.1 401 No", b"HTTP/1.1 413 Big", b"HTTP/1.1 418 Tea", b"HTTP/1.1 429 Slow",
    b"HTTP/1.1 499 Left", b"HTTP/1.1 500 Oops", b"HTTP/1.1 503 Busy", b"HTTP/1.1 599 Odd", b"HTTP/1.1 600 Odder",
    b"HTTP/1.1 999 Oddest", b"garbage", b"",
)  # fmt: skip
_REPLY_FIELDS = (
    b"Content-Type: application/json", b"Content-Type: text/event-stream", b"Content-Type: \xff",
    b"Content-Encoding: gzip", b"Retry-After: 1", b"Retry-After: inf", b"Retry-After: -1",
    b"Retry-After: " + b"9" * 400, b"Retry-After: soon", b"Retry-After: Fri, 31 Dec 9999 23:59:59 GMT",
    b"Retry-After: Mon, 01 Jan 0001 00:00:00 +2359", b"Retry-After-Ms: inf", b"Retry-After-Ms: nan",
    b"Retry-After-Ms: 1e400", b"Set-Cookie: a=b", b"X-RateLimit-Limit-Requests: {x}", b"X: " + b"y" * 9000,
    b"X: " + b"y" * 3000, b"Connection: close", b"Connection: Upgrade\r\nUpgrade: websocket", b"no colon",
    b": nameless", b"X-RateLimit-Limit-Tokens: \xff\xfe", b"Date: yesterday", b"Server: \x01",
)  # fmt: skip


def replies() -> st.SearchStrategy[Broken]:
    """A provider's replies, of which few are right."""
    return st.builds(
        _reply,
        st.sampled_from(_LINES),
        st.lists(st.sampled_from(_REPLY_FIELDS), max_size=3),
        st.sampled_from(_CONTENTS),
        st.sampled_from(("right", "right", "chunked", "drip", "none", "short", "long", "wrong", "bad chunk", "cut")),
        st.integers(0, 9).map(lambda drawn: drawn > 0),
    )


def _reply(line: bytes, fields: list[bytes], content: bytes, framing: str, hangs_up: bool) -> Broken:  # noqa: FBT001
    pieces = [content]
    length = b"Content-Length: %d" % len(content)
    match framing:
        case "chunked" | "drip" | "bad chunk":
            length = b"Transfer-Encoding: chunked"
            size = 7 if framing == "drip" and len(content) < 2000 else 50_000
            parts = [content[at : at + size] for at in range(0, len(content), size)]
            pieces = [b"%x\r\n%b\r\n" % (len(part), part) for part in parts] + [b"0\r\n\r\n"]
            if framing == "bad chunk":
                pieces[len(pieces) // 2] = b"zz\r\n"
        case "none":
            length = b"X-Length: none"
        case "short":
            length = b"Content-Length: %d" % (len(content) // 2)
        case "long":
            length = b"Content-Length: %d" % (len(content) + 10)
        case "wrong":
            length = b"Content-Length: many"
        case "cut":
            pieces = [content[: len(content) // 2]]
        case _:
            pass
    return Broken((b"\r\n".join((line, *fields, length, b"", b"")), *pieces), hangs_up or framing in ("none", "cut"))
