"""`/v1/responses`: asked, streamed, and what is kept of it looked at and deleted.

https://platform.openai.com/docs/api-reference/responses.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec

from inferpoint.api.face import Request, Response, Route, json_response, streamed
from inferpoint.api.openai.responses import read
from inferpoint.api.openai.responses.events import Events
from inferpoint.api.openai.responses.store import Kept, ResponseStore, Stored
from inferpoint.api.openai.responses.write import Answer
from inferpoint.api.openapi.description import Form
from inferpoint.api.requests import for_user
from inferpoint.endpoints.resolved import chatting
from inferpoint.engine.engine import Engine
from inferpoint.errors import invalid
from inferpoint.model.endpoint import TaskType
from inferpoint.model.results import Completion

_ORDERS = ("asc", "desc")
_PAGE, _LARGEST_PAGE = 20, 100
_RETRIEVE, _ITEMS = frozenset({"include", "stream"}), frozenset({"after", "include", "limit", "order"})


class Responses:
    """The acts of the routes, with what they remember."""

    def __init__(self, store: ResponseStore) -> None:
        self._store = store

    def routes(self) -> Sequence[Route]:
        """The routes."""
        return (
            Route(
                "POST",
                "/v1/responses",
                self.create,
                infers=True,
                form=Form("ResponseRequest", "Response", "ResponseEvents"),
            ),
            Route("GET", "/v1/responses/{response}", self.retrieve, _RETRIEVE, form=Form(gives="Response")),
            Route("DELETE", "/v1/responses/{response}", self.delete, form=Form(gives="ResponseDeleted")),
            Route(
                "GET",
                "/v1/responses/{response}/input_items",
                self.input_items,
                _ITEMS,
                form=Form(gives="ResponseItems"),
            ),
        )

    async def create(self, engine: Engine, request: Request) -> Response:
        """The response to an input, whole or streamed; kept, unless `store` is false."""
        kept = self._kept(request)
        asked = read.asked(request.object(), kept)
        resolved = chatting(engine.find(request.caller, asked.model))
        inference = request.inference(asked.conversation, params=asked.params, hints=asked.hints)
        inference = for_user(resolved, inference, asked.user)
        service = resolved.service.name
        answer = Answer(f"resp_{request.request_id}", request.time, asked.told, asked.tools, service)
        keep = partial(_keep, kept, asked)
        if asked.stream:
            pieces, events = engine.stream(resolved, inference, TaskType.CHAT_COMPLETION), Events(answer, keep)
            return await streamed(pieces, events.feed, events.end, events.fail)
        result = await engine.infer(resolved, inference, TaskType.CHAT_COMPLETION)
        assert isinstance(result, Completion)
        told = answer.whole(result)
        keep(told)
        return json_response(told)

    async def retrieve(self, _engine: Engine, request: Request) -> Response:
        """A response as it was answered."""
        if (stream := request.query.get("stream", "false")) != "false":
            raise invalid(f"[stream] must be [false], not [{stream}]: what has been answered is not streamed again")
        return Response(body=self._kept(request).response(request.path_params["response"]).body)

    async def delete(self, _engine: Engine, request: Request) -> Response:
        """That a response is forgotten."""
        name = request.path_params["response"]
        self._kept(request).drop(name)
        return json_response({"id": name, "object": "response", "deleted": True})

    async def input_items(self, _engine: Engine, request: Request) -> Response:
        """A page of the items that led to a response, the latest first unless `order` says otherwise."""
        stored = self._kept(request).response(request.path_params["response"])
        order = request.query.get("order", "desc")
        if order not in _ORDERS:
            raise invalid(f"[order] must be one of [{', '.join(_ORDERS)}], not [{order}]")
        items = [_named(msgspec.json.decode(item), place, stored) for place, item in enumerate(stored.input)]
        if order == "desc":
            items.reverse()
        return json_response(_page(items, request.query.get("after"), _limit(request.query.get("limit"))))

    def _kept(self, request: Request) -> Kept:
        return self._store.of(request.caller.name, request.time)


def _keep(kept: Kept, asked: read.Asked, response: dict[str, Any]) -> None:
    """Remember *response*, and what it answers, where the request allows it."""
    if asked.store:
        output = tuple((item["id"], msgspec.json.encode(item)) for item in response["output"])
        body = msgspec.json.encode(response)
        kept.keep(Stored(response["id"], body, asked.before, asked.items, output))


def _named(item: dict[str, Any], place: int, stored: Stored) -> dict[str, Any]:
    """An item of an input as it is listed: with its type, an id, and that it is whole."""
    listed = {"id": f"in_{stored.id.partition('_')[2]}{place:04x}", "type": "message", "status": "completed", **item}
    if isinstance(content := listed.get("content"), str):
        kind = "output_text" if listed["role"] == "assistant" else "input_text"
        listed["content"] = [{"type": kind, "text": content}]
    return listed


def _limit(text: str | None) -> int:
    if text is None:
        return _PAGE
    if not (text.isdecimal() and 1 <= int(text[:9]) <= _LARGEST_PAGE):
        raise invalid(f"[limit] must be a number from 1 to {_LARGEST_PAGE}, not [{text}]")
    return int(text)


def _page(items: Sequence[dict[str, Any]], after: str | None, limit: int) -> dict[str, Any]:
    """At most *limit* of *items*, those that follow the one called *after* where there is one."""
    names = [item["id"] for item in items]
    start = 0
    if after is not None:
        if after not in names:
            raise invalid(f"[after] is [{after}], which is no item of this response")
        start = names.index(after) + 1
    page = items[start : start + limit]
    first, last = (page[0]["id"], page[-1]["id"]) if page else ("", "")
    more = start + limit < len(items)
    return {"object": "list", "data": page, "first_id": first, "last_id": last, "has_more": more}
