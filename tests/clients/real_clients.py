"""Real clients, unmodified: what runs the script of each, and the table of what they can do with which service."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from real_processes import ROOT

SCRIPTS = Path(__file__).parent / "scripts"
DOCUMENT = ROOT / "docs/compatibility.md"
FOUND = ROOT / ".clients.json"
BEGIN, END = "<!-- clients: written by `make docs` after `make test` -->\n", "<!-- /clients -->"

Found = Mapping[str, Mapping[str, Mapping[str, Any]]]


@dataclass(frozen=True)
class Client:
    """One client: the package it is, and where it is installed. `errors` are what it raises, in the script's order."""

    package: str
    script: str
    place: str
    errors: tuple[str, ...]

    @property
    def name(self) -> str:
        """Package and version."""
        if self.place == "node":
            version = json.loads((ROOT / "package.json").read_text())["devDependencies"][self.package]
            return f"{self.package} {version} (Node)"
        locked = (ROOT / f"requirements/{self.place}.txt").read_text()
        match = re.search(rf"^{re.escape(self.package)}==(\S+)", locked, re.MULTILINE)
        assert match
        return f"{self.package} {match[1]}"

    def command(self, given: str) -> list[str]:
        """What runs the script."""
        if self.place == "node":
            return ["node", str(SCRIPTS / f"{self.script}.mjs"), given]
        return [str(ROOT / f".venvs/{self.place}/bin/python"), str(SCRIPTS / f"{self.script}.py"), given]


_OPENAI = ("NotFoundError", "BadRequestError", "AuthenticationError", "APIError")
_LANGCHAIN = ("OpenAIModelNotFoundError", "OpenAIInvalidRequestError", "OpenAIAuthenticationError", "APIError")
_LITELLM = (*_OPENAI[:3], "MidStreamFallbackError")
_HUB = ("HfHubHTTPError", "BadRequestError", "HfHubHTTPError", "UnknownError")
_ANTHROPIC = (*_OPENAI[:3], "APIStatusError")
CLIENTS = (
    Client("openai", "openai_sdk", "clients-sdk", _OPENAI),
    Client("openai", "openai_sdk", "clients-frameworks", _OPENAI),
    Client("openai", "openai_sdk", "node", _OPENAI),
    Client("anthropic", "anthropic_sdk", "clients-sdk", _ANTHROPIC),
    Client("langchain-openai", "langchain", "clients-sdk", _LANGCHAIN),
    Client("huggingface-hub", "hub", "clients-sdk", _HUB),
    Client("llama-index-llms-openai-like", "llama", "clients-frameworks", _OPENAI),
    Client("litellm", "lite", "clients-frameworks", _LITELLM),
    Client("haystack-ai", "haystack_ai", "clients-frameworks", _OPENAI),
)


def refused(result: Any) -> bool:
    """Whether a service's provider cannot do it, and the client was told so by the field's name."""
    return isinstance(result, str) and "response_format" in result and "BadRequest" in result


def table(found: Found) -> str:
    """Clients by services."""
    services = sorted({service for results in found.values() for service in results})
    lines = [
        "| client | asked for | " + " | ".join(f"`{service}`" for service in services) + " |",
        "|---" * (len(services) + 2) + "|",
    ]
    for client in CLIENTS:
        results = found[client.name]
        asked = ", ".join(name.replace("_", " ") for name in next(iter(results.values())))
        cells = (_cell(results[service]) for service in services)
        lines.append(f"| {client.name} | {asked} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def written(text: str, found: Found) -> str:
    """The document with the table as it is now."""
    before, rest = text.split(BEGIN)
    return before + BEGIN + table(found) + END + rest.split(END)[1]


def _cell(results: Mapping[str, Any]) -> str:
    return "; ".join(["yes", *(f"{name}: 400" for name, result in results.items() if refused(result))])
