"""A fake of Elasticsearch: it keeps documents in memory, and answers as the documentation of its API says.

No code of Elasticsearch is in it. It checks what an index checks of vectors, ids and precomputed inference.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Answer = tuple[int, Any]


class Refused(Exception):  # noqa: N818 - what an index does
    """An error of the API."""

    def __init__(self, status: int, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.status, self.body = status, {"type": kind, "reason": reason}


class Cluster:
    """Its indices, with what they are to do wrong: `busy` ids are answered 429 that often, `down` requests by 503."""

    def __init__(self) -> None:
        self.mappings: dict[str, dict[str, Any]] = {}
        self.documents: dict[str, dict[str, dict[str, Any]]] = {}
        self.busy: dict[str, int] = {}
        self.down = 0
        self.gone = False  # whether connections are closed without an answer
        self.blocked: str | None = None
        self.asked: list[tuple[str, str, int]] = []  # method, path, bytes
        self.headers: list[dict[str, str]] = []
        self.lock = threading.Lock()

    def answer(self, method: str, path: str, query: dict[str, str], body: bytes) -> Answer:  # noqa: C901, PLR0911 - a table of routes
        if self.down:
            self.down -= 1
            raise Refused(503, "unavailable_shards_exception", "primary shard is not active")
        parts = [unquote(part) for part in path.strip("/").split("/")]
        match (method, parts):
            case ("HEAD", [index]):
                return (200 if index in self.mappings else 404), None
            case ("PUT", [index]):
                return self._create(index, json.loads(body))
            case ("GET", [index, "_mapping"]):
                return 200, {index: {"mappings": self.mappings[index]}}
            case ("PUT", [index, "_mapping"]):
                told = json.loads(body)
                self.mappings[index]["properties"] |= told.pop("properties", {})
                self.mappings[index] |= told
                return 200, {"acknowledged": True}
            case (("POST" | "PUT"), [index, "_bulk"]):
                return 200, self._bulk(index, body)
            case ("POST", [index, "_mget"]):
                return 200, {"docs": [self._got(index, own_id, query) for own_id in json.loads(body)["ids"]]}
            case ("POST", [_, "_refresh"]):
                return 200, {"_shards": {"total": 1, "successful": 1, "failed": 0}}
            case ("POST", [index, "_pit"]):
                return 200, {"id": index}
            case ("DELETE", ["_pit"]):
                return 200, {"succeeded": True, "num_freed": 1}
            case ("POST", ["_search"]):
                return 200, self._search(json.loads(body), query)
            case _:
                raise Refused(400, "illegal_argument_exception", f"no handler found for [{method} /{path}]")

    def _create(self, index: str, body: dict[str, Any]) -> Answer:
        if index in self.mappings:
            raise Refused(400, "resource_already_exists_exception", f"index [{index}] already exists")
        for name, mapping in body["mappings"]["properties"].items():
            if mapping.get("dims", 1) > 4096:
                raise Refused(400, "mapper_parsing_exception", f"[{name}] dims should be in the range [1, 4096]")
        self.mappings[index] = {"properties": {}, **body["mappings"]}
        self.documents[index] = {}
        return 200, {"acknowledged": True, "shards_acknowledged": True, "index": index}

    def _bulk(self, index: str, body: bytes) -> dict[str, Any]:
        lines = iter(body.splitlines())
        assert body.endswith(b"\n")
        operations = [
            (action, told["_id"], json.loads(next(lines)) if action == "index" else None)
            for line in lines
            for action, told in json.loads(line).items()
        ]
        for _, own_id, _ in operations:
            if not 0 < len(own_id.encode()) <= 512:
                raise Refused(400, "action_request_validation_exception", "id is too long, or is empty")
        items = [{action: {"_index": index, "_id": own_id, **self._done(index, action, own_id, document)}}
                 for action, own_id, document in operations]  # fmt: skip
        return {"took": 1, "errors": any("error" in one for item in items for one in item.values()), "items": items}

    def _done(self, index: str, action: str, own_id: str, document: dict[str, Any] | None) -> dict[str, Any]:
        try:
            return self._one(index, action, own_id, document)
        except Refused as refused:
            return {"status": refused.status, "error": refused.body}

    def _one(self, index: str, action: str, own_id: str, document: dict[str, Any] | None) -> dict[str, Any]:
        if self.blocked is not None:
            raise Refused(403, "cluster_block_exception", self.blocked)
        if self.busy.get(own_id, 0) > 0:
            self.busy[own_id] -= 1
            raise Refused(429, "es_rejected_execution_exception", "rejected execution of coordinating operation")
        with self.lock:
            held = self.documents[index]
            if action == "delete":
                gone = held.pop(own_id, None)
                return {"status": 404, "result": "not_found"} if gone is None else {"status": 200, "result": "deleted"}
            assert document is not None
            self._checked(index, document)
            result = "updated" if own_id in held else "created"
            held[own_id] = document
            return {"status": 201 if result == "created" else 200, "result": result}

    def _checked(self, index: str, document: dict[str, Any]) -> None:
        for name, mapping in self.mappings[index]["properties"].items():
            value = document.get(name)
            match mapping["type"]:
                case "dense_vector" if value is not None:
                    _vector(name, value, mapping["dims"], mapping.get("element_type", "float"))
                case "sparse_vector" if value is not None and any("." in token for token in value):
                    raise Refused(400, "document_parsing_exception", "fields do not support dots in feature names")
                case "integer" if value is not None and not isinstance(value, int):
                    raise Refused(400, "document_parsing_exception", f"failed to parse field [{name}]")
                case "semantic_text":
                    _inferred(name, mapping, document)
                case _:
                    pass

    def _got(self, index: str, own_id: str, query: dict[str, str]) -> dict[str, Any]:
        document = self.documents[index].get(own_id)
        about = {"_index": index, "_id": own_id, "found": document is not None}
        return about if document is None else {**about, "_source": _source(document, query)}

    def _search(self, body: dict[str, Any], query: dict[str, str]) -> dict[str, Any]:
        assert body["sort"] == [{"_shard_doc": "asc"}]
        index = body["pit"]["id"]
        after = body.get("search_after", [-1])[0]
        several = list(enumerate(self.documents[index].items()))[after + 1 :][: body["size"]]
        hits = [
            {"_index": index, "_id": own_id, "_source": _source(document, {**query, **body}), "sort": [place]}
            for place, (own_id, document) in several
        ]
        return {"pit_id": index, "timed_out": False, "hits": {"hits": hits}}


def _source(document: dict[str, Any], query: dict[str, Any]) -> dict[str, Any]:
    told = query.get("_source_includes") or query.get("_source", {})
    names = told.get("includes", []) if isinstance(told, dict) else told
    return {name: value for name, value in document.items() if name in names}


def _vector(name: str, value: Any, dims: int, element: str) -> None:
    wanted = dims // 8 if element == "bit" else dims
    if len(value) != wanted:
        reason = f"The [dense_vector] field [{name}] has a different number of dimensions than defined [{dims}]"
        raise Refused(400, "document_parsing_exception", reason)
    if element != "float" and not all(number in range(-128, 128) for number in value):
        raise Refused(400, "document_parsing_exception", "element_type [byte] vectors only support integers")
    if element == "float" and not any(value):
        raise Refused(400, "document_parsing_exception", "vectors with zero magnitude")


def _inferred(name: str, mapping: dict[str, Any], document: dict[str, Any]) -> None:
    inference = document["_inference_fields"][name]["inference"]
    if inference["inference_id"] != mapping["inference_id"]:
        raise Refused(400, "document_parsing_exception", f"inference_id of field [{name}] doesn't match")
    settings = inference["model_settings"]
    units = document[name].encode("utf-16-le")
    for chunk in inference["chunks"][name]:
        assert 0 <= chunk["start_offset"] <= chunk["end_offset"] <= len(units) // 2
        if settings["task_type"] == "text_embedding":
            _vector(name, chunk["embeddings"], settings["dimensions"], settings["element_type"])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cluster: Cluster

    def _answer(self) -> None:
        self.close_connection = self.cluster.gone
        if self.cluster.gone:
            return
        split = urlsplit(self.path)
        query = {name: values[0].split(",") for name, values in parse_qs(split.query).items()}
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.cluster.asked.append((self.command, split.path, len(body)))
        self.cluster.headers.append({name.lower(): value for name, value in self.headers.items()})
        try:
            status, answer = self.cluster.answer(self.command, split.path, query, body)  # type: ignore[arg-type]
        except Refused as refused:
            status, answer = (
                refused.status,
                {"error": refused.body, "status": refused.status},
            )
        content = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("X-elastic-product", "Elasticsearch")
        self.send_header("X-served-by", "a fake of Inferpoint's tests")
        self.send_header("Content-Type", "application/vnd.elasticsearch+json;compatible-with=9")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - the names of http.server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        pass


@contextmanager
def served(cluster: Cluster) -> Iterator[str]:
    """The host and port of *cluster*."""
    handler = type("Handler", (_Handler,), {"cluster": cluster})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
