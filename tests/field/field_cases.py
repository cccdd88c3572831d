"""Field cases: what people reported of other gateways and of providers, each with the answer that would be right.

`chat.json` and `search.json` hold `endpoints` by name and `cases`. A case has an `endpoint` that is made first, the
`reply` of its provider (see `ScriptedProvider`), what is `expected` of the answer (see `document`), and a `request`: a
method, a path, headers, and a `body` as JSON or a `text` as it is; several as `steps`, or sent `together`; or `raw`
bytes on a connection. `{provider}` stands for the provider's address. Cases run in this process, on a clock whose time
passes at once, but for those `over` HTTP.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import pytest
from field_documents import Answer, document, problems
from field_provider import ScriptedProvider
from in_process import Application
from raw_http import Answered, ask, everything, plugged

FOLDER = Path(__file__).parent
ADDRESS = "http://provider.test"


class Place(Protocol):
    """A server to ask, and the provider behind it."""

    provider: ScriptedProvider
    address: str

    def ask(self, *requests: Mapping[str, Any]) -> Sequence[Answer]: ...


class InProcess:
    """A server in this process, with nothing between it and its provider."""

    def __init__(self, make_world: Any) -> None:
        self.provider = ScriptedProvider()
        self.address = ADDRESS
        environ = {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": ADDRESS}
        self._application = Application(make_world(self.provider.on_call, environ=environ), 10**6)

    def ask(self, *requests: Mapping[str, Any]) -> Sequence[Answer]:
        """The answers to *requests* that are sent together."""
        return self._application.world.run(self._asked(requests))

    async def _asked(self, requests: Sequence[Mapping[str, Any]]) -> Sequence[Answer]:
        return await asyncio.gather(*(self._one(request) for request in requests))

    async def _one(self, request: Mapping[str, Any]) -> Answer:
        path, _, query = request["path"].partition("?")
        headers = {"content-type": "application/json", **request.get("headers", {})}
        return await self._application.ask(request["method"], path, _body(request), query, headers)


class OverHttp:
    """A server in a process of its own."""

    def __init__(self, url: str, provider: ScriptedProvider, address: str) -> None:
        self.provider = provider
        self.address = address
        self._url = url

    def ask(self, *requests: Mapping[str, Any]) -> Sequence[Answer]:
        """The answers to *requests*, one after the other."""
        return [self._one(request) for request in requests]

    def _one(self, request: Mapping[str, Any]) -> Answer:
        if "raw" in request:
            return self._raw(request["raw"].encode())
        if request["method"] == "PUT":  # another case may have left an endpoint of that name
            ask(self._url, "DELETE", request["path"])
        return ask(self._url, request["method"], request["path"], _body(request), request.get("headers"))

    def _raw(self, request: bytes) -> Answer:
        with closing(plugged(self._url)) as line:
            line.sendall(request)
            head, _, body = everything(line).partition(b"\r\n\r\n")
        return Answered(int(head.split()[1]), {}, body)


def cases(file: str) -> list[Any]:
    """The cases of *file* as parameters, with what each is asked of."""
    content = json.loads((FOLDER / file).read_text())
    named = [{**case, "endpoint": content["endpoints"].get(case.get("endpoint"))} for case in content["cases"]]
    return [pytest.param(case, id=case["id"]) for case in named]


def judge(case: Mapping[str, Any], place: Place) -> None:
    """Fail unless the server does what is right in *case*; or, while it is open, when it does."""
    wrong = _tried(json.loads(json.dumps(case).replace("{provider}", place.address)), place)
    assert not wrong, "\n".join([case["kind"], case["why"], f"Right: {case['expected']['says']}", *wrong])


def _tried(case: Mapping[str, Any], place: Place) -> list[str]:
    """What is wrong in *case*."""
    place.provider.begin({})
    if endpoint := case["endpoint"]:
        (made,) = place.ask({"method": "PUT", **endpoint})
        assert made.status == 200, made.body
    place.provider.begin(case.get("reply"))
    request, checks = case["request"], case["expected"]["checks"]
    if "together" in request:
        return problems({"statuses": [answer.status for answer in place.ask(*request["together"])]}, checks)
    *before, last = request.get("steps", [request])
    for step in before:
        place.ask(step)
    seen = len(place.provider.calls)
    (answer,) = place.ask(last)
    return problems(document(answer, place.provider.calls[seen:]), checks)


def _body(request: Mapping[str, Any]) -> bytes:
    if "text" in request:
        return request["text"].encode()
    return json.dumps(request["body"]).encode() if "body" in request else b""
