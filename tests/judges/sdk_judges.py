"""The providers' own SDKs as judges: each has our recorded conversations, by its own client, with a stand-in.

A judge says of each conversation what its client sends otherwise than we do, and what it understands otherwise of the
recorded reply. `python tests/judges/sdk_judges.py` writes of all into docs/judges.md.
"""

from __future__ import annotations

import json
import re
import sys
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

if __name__ == "__main__":
    sys.path += [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "e2e")]

from real_processes import ROOT, environ, run
from sdk_differences import APART

from inferpoint import services
from inferpoint.testing.conversations import Exchange, RecordedTask
from inferpoint.testing.files import RecordedCall

HERE = Path(__file__).parent
RECORDED = HERE.parent / "services"
DOCUMENT = ROOT / "docs" / "judges.md"
COMPARED = ("authorization", "api-key", "x-api-key", "x-goog-api-key", "openai-organization", "extra-parameters")
GATEWAY = "gate.test"  # what recordings call a gateway, whose paths are its own
CALL = ("id", "name", "arguments")
CHAT, EMBED, RANK = ("completion", "chat_completion"), ("text_embedding",), ("rerank",)


@dataclass(frozen=True)
class Judge:
    """One SDK for tasks of one service: its package, its script and its environment in `.venvs`."""

    service: str
    package: str
    script: str
    tasks: Sequence[str]
    environment: str = "judges-sdks"
    provider: str = ""  # the maker of the models that it is for, of a service that has those of several

    @property
    def python(self) -> Path:
        """The interpreter that has the SDK."""
        return ROOT / ".venvs" / self.environment / "bin" / "python"

    @property
    def version(self) -> str:
        """The version of the package that the environment's lock names."""
        lock = (ROOT / "requirements" / f"{self.environment}.txt").read_text("utf-8")
        return re.findall(rf"^{re.escape(self.package)}==(\S+)", lock, re.MULTILINE)[0]

    @property
    def apart(self) -> Mapping[str, str]:
        """What may differ, each with its reason."""
        return APART.get((self.service, self.package), {})

    @cached_property
    def exchanges(self) -> Sequence[Exchange]:
        """The recorded conversations of the tasks."""
        service = services.find(self.service)
        return [
            exchange
            for kind in service.tasks
            if kind.value in self.tasks
            for exchange in RecordedTask(service, kind, RECORDED / self.service).exchanges()
            if not self.provider or getattr(exchange.settings, "provider", self.provider) == self.provider
        ]

    def verdicts(self) -> Iterator[tuple[Exchange, Sequence[str]]]:
        """Each conversation with what is not as it is at the SDK."""
        asked = [_asked(self.service, exchange) for exchange in self.exchanges]
        command = (str(self.python), str(HERE / "scripts" / f"{self.script}.py"))
        with TemporaryDirectory() as home:
            done = run(command, environ(Path(home)), json.dumps(asked))
        assert done.returncode == 0, done.stderr
        for exchange, verdict in zip(self.exchanges, json.loads(done.stdout.splitlines()[-1]), strict=True):
            yield exchange, list(differences(exchange, verdict))


JUDGES = (
    Judge("ai21", "ai21", "ai21_sdk", CHAT),
    Judge("alibabacloud-ai-search", "alibabacloud-searchplat20240529", "alibaba_sdk",
          ("completion", "text_embedding", "sparse_embedding", "rerank"), "judges-clouds"),
    Judge("anthropic", "anthropic", "anthropic_sdk", CHAT),
    Judge("azureaistudio", "azure-ai-inference", "azure_sdk", ("completion", "text_embedding")),
    Judge("azureaistudio", "cohere", "cohere_sdk", RANK),
    Judge("azureopenai", "openai", "openai_sdk", (*CHAT, *EMBED)),
    Judge("cohere", "cohere", "cohere_sdk", (*CHAT, *EMBED, *RANK)),
    Judge("contextualai", "contextual-client", "contextual_sdk", RANK),
    Judge("deepseek", "openai", "openai_sdk", CHAT),
    Judge("fireworksai", "fireworks-ai", "fireworks_sdk", CHAT),
    Judge("fireworksai", "openai", "openai_sdk", EMBED),
    Judge("googleaistudio", "google-genai", "google_sdk", (*EMBED, "completion"), "judges-google"),
    Judge("googlevertexai", "google-genai", "google_sdk", (*EMBED, *CHAT), "judges-google", "google"),
    Judge("googlevertexai", "anthropic", "anthropic_vertex_sdk", CHAT, provider="anthropic"),
    Judge("groq", "groq", "groq_sdk", CHAT),
    Judge("hugging_face", "huggingface-hub", "huggingface_sdk", (*CHAT, *EMBED)),
    Judge("jinaai", "litellm", "litellm_sdk", RANK, "clients-frameworks"),
    Judge("jinaai", "openai", "openai_sdk", EMBED),
    Judge("llama", "llama-stack-client", "llama_stack_sdk", (*CHAT, *EMBED)),
    Judge("mistral", "mistralai", "mistralai_sdk", (*CHAT, *EMBED)),
    Judge("nvidia", "langchain-nvidia-ai-endpoints", "nvidia_sdk", (*EMBED, *RANK)),
    Judge("nvidia", "openai", "openai_sdk", CHAT),
    Judge("openai", "openai", "openai_sdk", (*CHAT, *EMBED)),
    Judge("openshift_ai", "cohere", "cohere_sdk", RANK),
    Judge("openshift_ai", "openai", "openai_sdk", (*CHAT, *EMBED)),
    Judge("voyageai", "voyageai", "voyageai_sdk", (*EMBED, *RANK)),
    Judge("watsonxai", "ibm-watsonx-ai", "watsonx_sdk", (*CHAT, *EMBED, *RANK), "judges-clouds"),
)  # fmt: skip


@cache
def verdicts(judge: Judge) -> Sequence[tuple[Exchange, Sequence[str]]]:
    """What the judge said, who is asked once."""
    return list(judge.verdicts())


def _asked(service: str, exchange: Exchange) -> dict[str, Any]:
    recording = exchange.recording
    return {
        "task": exchange.of.kind.value,
        "service": service,
        "path": _path(recording.call.url),
        "body": recording.call.body,
        "settings": {**recording.settings},
        "reply": {"headers": {**recording.reply.headers}, "body": exchange.body.decode()},
    }


def _path(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path or "/"


def differences(exchange: Exchange, verdict: Mapping[str, Any]) -> Iterator[str]:
    """What the client sent and understood otherwise; the words are those of `APART`."""
    if verdict["sent"] is None:
        yield f"{_numbered(exchange)} not sent"
        return
    yield from _missent(exchange.recording.call, verdict["sent"])
    if "error" in verdict:
        yield f"{_numbered(exchange)} not read"
    else:
        for part in _misread(_meant(exchange), verdict["meaning"]):
            yield f"{_numbered(exchange)} {part}"


def _missent(ours: RecordedCall, sent: Mapping[str, Any]) -> Iterator[str]:
    """What of the path, the headers and the body is not the same."""
    if urlsplit(ours.url).hostname != GATEWAY and sent["path"] != _path(ours.url):
        yield "path"
    for name in COMPARED:
        if sent["headers"].get(name) != ours.headers.get(name):
            yield f"header {name}"
    for name in sorted({*sent["body"], *ours.body}):
        if name not in sent["body"]:
            yield f"without {name}"
        elif name not in ours.body:
            yield f"with {name}"
        elif sent["body"][name] != ours.body[name]:
            yield name


def _numbered(exchange: Exchange) -> str:
    """A conversation's task, and its place among the task's."""
    return f"{exchange.of.kind.value} {exchange.of.file().conversations.index(exchange.recording) + 1}"


def _misread(ours: Mapping[str, Any], theirs: dict[str, Any]) -> Iterator[str]:
    """The parts of a meaning that are not the same, of those that both have."""
    if "tool_calls" in theirs:
        theirs["tool_calls"] = _joined(theirs["tool_calls"])
    for name, value in theirs.items():
        if value is not None and name in ours and value != ours[name]:
            yield name
    assert {"text", "embeddings", "weights", "ranked"} & ours.keys() & theirs.keys(), "nothing was compared"


def _meant(exchange: Exchange) -> dict[str, Any]:
    """What our own reader made of the reply, as the recording says it."""
    recording = exchange.recording
    if recording.stream:
        return _told(recording.deltas)
    result: Mapping[str, Any] = recording.result
    meaning: dict[str, Any] = {**(result.get("usage") or {})}
    if "choices" in result:
        choices = result["choices"]  # of one turn: Elasticsearch makes a choice of each block of Anthropic's
        calls = [[call[name] for name in CALL] for choice in choices for call in choice.get("tool_calls", ())]
        texts = {name: "".join(choice.get(name, "") for choice in choices) for name in ("text", "reasoning")}
        return {**meaning, **texts, "tool_calls": _joined(calls)}
    if "ranked" in result:
        return {**meaning, "ranked": [row[:2] for row in result["ranked"]]}
    return {**meaning, **{name: result[name] for name in ("embeddings", "weights") if name in result}}


def _told(deltas: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """What a stream's deltas say together."""
    calls = [delta[2:5] for delta in deltas if delta[0] == "ToolCall"]
    usage = ChainMap(*(delta[1] for delta in reversed(deltas) if delta[0] == "Used"))
    texts = {kind.lower(): "".join(delta[1] for delta in deltas if delta[0] == kind) for kind in ("Text", "Reasoning")}
    return {**usage, **texts, "tool_calls": _joined(calls)}


def _joined(pieces: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Whole calls of tools from their pieces, of which the first has an id; arguments as JSON values."""
    calls: list[list[Any]] = []
    for call_id, name, arguments in pieces:
        if call_id or name:  # Gemini's may have no id
            calls.append([call_id, name, arguments])
        else:
            calls[-1][2] += arguments
    return [[*call[:2], json.loads(call[2]) if isinstance(call[2], str) else call[2]] for call in calls]


def row(judge: Judge) -> str:
    """The judge's line of the table."""
    counts = [sum(exchange.of.kind.value == task for exchange in judge.exchanges) for task in judge.tasks]
    judged = ", ".join(f"{task} {count}" for task, count in zip(judge.tasks, counts, strict=True) if count)
    apart = "; ".join(f"`{what}`: {why}" for what, why in judge.apart.items())
    return f"| `{judge.service}` | `{judge.package}` {judge.version} | {judged} | {apart} |\n"


def main() -> None:
    """Write the table of all judges."""
    begin, end = "<!-- judges: written by `make judges` -->\n", "<!-- /judges -->"
    before, rest = DOCUMENT.read_text("utf-8").split(begin)
    _, after = rest.split(end)
    head = "| service | judge | conversations | what differs, and why |\n|---|---|---|---|\n"
    DOCUMENT.write_text(before + begin + head + "".join(map(row, JUDGES)) + end + after, "utf-8")


if __name__ == "__main__":
    main()
