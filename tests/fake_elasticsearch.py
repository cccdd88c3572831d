"""An Elasticsearch of a few shards, as far as a source asks it, and as strict about what it is asked.

Made from the official client's side: what that sends is what it takes, and what that reads is what it answers.
"""

from __future__ import annotations

import copy
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit


class FakeElasticsearch:
    """Indices by name: for each a list of shards, each a list of documents in the order in which they came."""

    def __init__(self, indices: dict[str, int]) -> None:
        self.shards: dict[tuple[str, int], list[dict[str, Any] | None]] = {
            (index, shard): [] for index, shards in indices.items() for shard in range(shards)
        }
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.authorization: set[str | None] = set()
        self.failing: list[int] = []  # statuses of the next answers
        self._unseen: set[tuple[str, int, int]] = set()

    def put(self, index: str, shard: int, identity: str, source: dict[str, Any], *, seen: bool = True) -> None:
        """Index a document, which is searchable now or not yet; what had its id before is gone."""
        self.delete(index, shard, identity, counted=False)
        documents = self.shards[index, shard]
        if not seen:
            self._unseen.add((index, shard, len(documents)))
        documents.append({"_index": index, "_id": identity, "_source": source})

    def refresh(self) -> None:
        """Have all that came be searchable."""
        self._unseen.clear()

    def delete(self, index: str, shard: int, identity: str, *, counted: bool = True) -> None:
        """Delete a document, which is a change with a number of its own."""
        documents = self.shards[index, shard]
        for number, document in enumerate(documents):
            if document and document["_id"] == identity:
                documents[number] = None
                if counted:
                    documents.append(None)

    def answer(self, path: str, parameters: dict[str, list[str]], body: dict[str, Any]) -> tuple[int, Any]:
        """What a request is answered."""
        self.asked.append((path, copy.deepcopy(body)))
        if self.failing:
            return self.failing.pop(0), {"error": {"type": "x", "reason": "as told"}, "status": 0}
        if stats := re.fullmatch(r"/([^/]+)/_stats/docs,store", path):
            assert parameters == {"level": ["shards"]}
            return self._stats(re.compile(stats[1].replace("*", ".*")))
        (index,) = re.fullmatch(r"/([^/]+)/_search", path).groups()  # type: ignore[union-attr]
        assert parameters.pop("allow_partial_search_results") == ["false"]
        (shard,) = re.fullmatch(r"_shards:(\d+)\|\w+", parameters.pop("preference")[0]).groups()  # type: ignore[union-attr]
        assert not parameters
        return self._search(index, int(shard), body)

    def _stats(self, pattern: re.Pattern[str]) -> tuple[int, Any]:
        indices: dict[str, Any] = {}
        for (index, shard), documents in self.shards.items():
            if pattern.fullmatch(index):
                live = [one for one in documents if one]
                about = {
                    "docs": {"count": len(live), "deleted": 0},
                    "store": {"size_in_bytes": len(json.dumps(live))},
                    "seq_no": {"max_seq_no": len(documents) - 1, "local_checkpoint": 0, "global_checkpoint": 0},
                }
                copies = [{"routing": {"primary": primary}, **about} for primary in (False, True)]
                of = indices.setdefault(index, {"uuid": f"uuid-of-{index}", "shards": {}})
                of["shards"][str(shard)] = copies
        if not indices:
            return 404, {"error": {"type": "index_not_found_exception", "reason": "no such index"}, "status": 404}
        return 200, {"_shards": {}, "_all": {}, "indices": indices}

    def _search(self, index: str, shard: int, body: dict[str, Any]) -> tuple[int, Any]:
        bounds = body["query"].pop("range").pop("_seq_no")
        assert body.pop("query") == {}
        assert body.pop("sort") == [{"_seq_no": "asc"}]
        assert body.pop("track_total_hits") is False
        size, source = body.pop("size"), body.pop("_source")
        assert not body
        assert 0 < size <= 10_000
        hits: list[dict[str, Any]] = []
        for number in range(bounds["gte"], min(bounds["lt"], len(self.shards[index, shard]))):
            document = self.shards[index, shard][number]
            if document and (index, shard, number) not in self._unseen:
                hit = {**document, "_score": None, "sort": [number]}
                hit["_source"] = {name: hit["_source"][name] for name in hit["_source"] if source and _in(name, source)}
                hits.append(hit)
        return 200, {"took": 1, "timed_out": False, "_shards": {}, "hits": {"hits": hits[:size]}}

    def __enter__(self) -> Self:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length) or b"{}")
                outer.authorization.add(self.headers.get("Authorization"))
                url = urlsplit(self.path)
                status, answer = outer.answer(url.path.replace("%2C", ","), parse_qs(url.query), body)
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("X-Elastic-Product", "Elasticsearch")
                self.send_header("Content-Type", "application/vnd.elasticsearch+json;compatible-with=9")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET  # noqa: N815

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _in(name: str, source: dict[str, list[str]]) -> bool:
    """Whether a top member of a document is asked for, or one inside of it."""
    return any(one == name or one.startswith(f"{name}.") for one in source["includes"])
