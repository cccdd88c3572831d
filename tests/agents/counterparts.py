"""What stands around an agent: the provider behind the server, a relay before it, a proxy for what goes elsewhere."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

import speaks_anthropic
import speaks_bedrock
import speaks_openai
import speaks_responses
from emulated_provider import Asked, Provider
from raw_http import connection
from script import Turn, answer

HOP = ("connection", "date", "host", "keep-alive", "server", "transfer-encoding")  # of one connection, not passed on


class _Counterpart:
    """A server in this process that says where it listens."""

    def __init__(self) -> None:
        self._provider = Provider(self._act)
        self.url = self._provider.url

    def __enter__(self) -> Self:
        self._provider.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._provider.__exit__()

    def _act(self, asked: Asked) -> None:
        raise NotImplementedError


class ScriptedProvider(_Counterpart):
    """OpenAI, Anthropic and Amazon Bedrock, who do what the prompt says; `turns` is what they were asked."""

    def __init__(self) -> None:
        super().__init__()
        self.turns: list[Turn] = []

    def _act(self, asked: Asked) -> None:
        operation = urlsplit(asked.path).path.rpartition("/")[2]
        match operation:
            case "completions":
                dialect = speaks_openai
            case "messages":
                dialect = speaks_anthropic
            case "converse" | "converse-stream":
                dialect = speaks_bedrock
            case "responses":
                dialect = speaks_responses
            case "" if asked.method == "HEAD":
                asked.begin(200, {"Content-Length": "0"})
                return
            case _:
                asked.answer({"error": {"message": f"There is no {asked.method} {asked.path}."}}, 404)
                return
        turn = dialect.read(asked.json)
        self.turns.append(turn)
        if turn.fault:
            asked.answer(dialect.refused(turn.fault), 400)
        elif not (turn.streams or operation == "converse-stream"):
            asked.answer(dialect.whole(answer(turn)))
        else:
            asked.begin(200, {"Content-Type": dialect.STREAM, "Connection": "close"})
            for piece in dialect.stream(answer(turn)):
                asked.send(piece)


@dataclass
class Exchange:
    """What an agent asked the server, and what it was told."""

    asked: str
    body: str
    status: int
    told: bytearray = field(default_factory=bytearray)

    @property
    def is_refused(self) -> bool:
        """Whether it was told an error, also as an event of a stream that began well."""
        return self.status >= 400 or b"event: error" in self.told or b'data: {"error"' in self.told

    def __str__(self) -> str:
        told = re.sub(r',"request_id":"\w+"', "", self.told.decode(errors="replace").strip())
        return f"{self.asked}: {self.status} {told}"


class Relay(_Counterpart):
    """What an agent takes for the server: all is passed on unchanged, and kept in `exchanges`."""

    def __init__(self, server: str) -> None:
        super().__init__()
        self._server = server
        self.exchanges: list[Exchange] = []

    def _act(self, asked: Asked) -> None:
        headers = {name: value for name, value in asked.headers.items() if name not in HOP}
        with closing(connection(self._server)) as line:
            line.request(asked.method, asked.path, asked.body or None, headers)
            response = line.getresponse()
            exchange = Exchange(f"{asked.method} {asked.path}", asked.body.decode(), response.status)
            self.exchanges.append(exchange)
            told = {name: value for name, value in response.getheaders() if name.lower() not in HOP}
            asked.begin(response.status, {**told, "Connection": "close"})
            while piece := response.read1(65536):
                exchange.told += piece
                asked.send(piece)


class Elsewhere(_Counterpart):
    """An agent's proxy for every address but this machine's: it lets nothing through, and keeps the `addresses`."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def _act(self, asked: Asked) -> None:
        self.addresses.append(asked.path)
        asked.answer({"error": "A test sends nothing to other machines."}, 403)
