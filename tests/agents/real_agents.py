"""Real agents, unmodified: what runs the script of each, what it must show, and the table of what was seen."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterparts import Exchange
from real_processes import ROOT
from script import CACHED, SIGNATURE, THINKING, Turn

SCRIPTS = Path(__file__).parent / "scripts"
DOCUMENT = ROOT / "docs/compatibility.md"
FOUND = ROOT / ".agents.json"
BEGIN, END = "<!-- agents: written by `make docs` after `make agents` -->\n", "<!-- /agents -->"
SERVICES = ("amazonbedrock", "anthropic", "openai")
SECOND_RESULT = "3 degrees"  # what the agent's tool returns when it is called for the second time
PERSON = {"name": "Ada", "age": 36}

Found = dict[str, dict[str, dict[str, bool]]]


@dataclass(frozen=True)
class Agent:
    """One agent: its package, its script, the environment it is in, which has a lock file, and the path that it asks.

    `provider` is which of its providers it takes us for, where it has several; `is_sampled` is one that runs in
    `make test` too.
    """

    package: str
    script: str
    place: str
    speaks: str
    provider: str = ""
    is_sampled: bool = False

    @property
    def name(self) -> str:
        """Package and version, and which of its providers."""
        return self._installed() + (f" ({self.provider})" if self.provider else "")

    def command(self, given: Mapping[str, Any]) -> list[str]:
        """What runs the script; *given* is where the server is, and what to ask of it."""
        programs = ROOT / self.place / "node_modules/.bin"
        more = {"provider": self.provider or self.package, "programs": str(programs)}
        return [self._runner(), str(SCRIPTS / self.script), json.dumps({**given, **more})]

    @property
    def _packages(self) -> Path:
        return ROOT / self.place / "package.json"

    def _runner(self) -> str:
        if self.script.endswith(".mjs"):
            return "node"
        if self._packages.exists():
            return sys.executable  # the script runs a program that came from npm
        return str(ROOT / f".venvs/{self.place}/bin/python")

    def _installed(self) -> str:
        if self._packages.exists():
            version = json.loads(self._packages.read_text("utf-8"))["devDependencies"][self.package]
            package, _, version = f"{self.package}@{version}".rpartition("@")
            return f"{package.rpartition('npm:')[2]} {version}"
        locked = (ROOT / f"requirements/{self.place}.txt").read_text("utf-8")
        match = re.search(rf"^{re.escape(self.package)}==(\S+)", locked, re.MULTILINE)
        assert match
        return f"{self.package} {match[1]}"


COMPLETIONS, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
ELASTIC = "/_inference/chat_completion"
AGENTS = (
    Agent("@anthropic-ai/claude-code", "claude_code.py", "tests/agents", MESSAGES),
    Agent("@openai/codex", "codex.py", "tests/agents", RESPONSES),
    Agent("@ai-sdk/openai", "ai_sdk.mjs", ".", RESPONSES),
    Agent("@ai-sdk/openai-compatible", "ai_sdk.mjs", ".", COMPLETIONS),
    Agent("@ai-sdk/anthropic", "ai_sdk.mjs", ".", MESSAGES),
    Agent("langgraph", "langgraph_agent.py", "clients-sdk", COMPLETIONS, is_sampled=True),
    Agent("openai-agents", "openai_agents.py", "agents", RESPONSES),
    Agent("pydantic-ai-slim", "pydantic_ai_agent.py", "agents", COMPLETIONS, "openai"),
    Agent("pydantic-ai-slim", "pydantic_ai_agent.py", "agents", MESSAGES, "anthropic"),
    Agent("instructor", "instructor_client.py", "agents", COMPLETIONS),
    Agent("elasticsearch9", "kibana.mjs", ".", ELASTIC, "what Kibana asks", is_sampled=True),
)
NATIVE = {COMPLETIONS: "openai", MESSAGES: "anthropic", RESPONSES: "responses"}  # whose own dialect an agent speaks


@dataclass(frozen=True)
class Run:
    """What an agent said by abilities, what the provider was asked meanwhile, and what the server told the agent.

    `elsewhere` are the addresses of other machines that it asked for; `record` is a file of all it asked the server.
    """

    agent: Agent
    service: str
    told: Mapping[str, Any]
    turns: Sequence[Turn]
    exchanges: Sequence[Exchange]
    elsewhere: Sequence[str]
    record: Path

    @property
    def complaints(self) -> dict[str, str]:
        """What is wrong, by abilities."""
        judged = {ability: _check(ability)(self, value) for ability, value in self.told.items()}
        return {ability: complaint for ability, complaint in judged.items() if complaint}

    @property
    def report(self) -> str:
        """What is wrong, every error that the server answered, each one time, and what was asked of other machines."""
        wrong = [f"{ability}: {complaint}" for ability, complaint in self.complaints.items()]
        refused = dict.fromkeys(str(exchange) for exchange in self.exchanges if exchange.is_refused)
        told = [*wrong, *refused, *(f"asked for {address}" for address in self.elsewhere)]
        return "\n".join([*told, f"All that was asked and answered: {self.record}"]) if told else ""


def noted(run: Run) -> Found:
    """All that was found so far, by agents, services and abilities: what went right, and what did not."""
    found: Found = json.loads(FOUND.read_text("utf-8")) if FOUND.exists() else {}
    right = {ability: ability not in run.complaints for ability in run.told}
    return {**found, run.agent.name: {**found.get(run.agent.name, {}), run.service: right}}


def table(found: Found) -> str:
    """Agents by services."""
    lines = ["| agent | asks | for | " + " | ".join(f"`{service}`" for service in SERVICES) + " |"]
    lines.append("|---" * (len(SERVICES) + 3) + "|")
    for agent in AGENTS:
        results = found[agent.name]
        asked = ", ".join(ability.replace("_", " ") for ability in results[SERVICES[0]])
        cells = (_cell(results[service]) for service in SERVICES)
        lines.append(f"| {agent.name} | `{agent.speaks}` | {asked} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def written(text: str, found: Found) -> str:
    """The document with the table as it is now; as it was, unless every agent was seen with every service."""
    if not all(service in found.get(agent.name, {}) for agent in AGENTS for service in SERVICES):
        return text
    before, rest = text.split(BEGIN)
    return before + BEGIN + table(found) + END + rest.split(END)[1]


def _cell(results: Mapping[str, bool]) -> str:
    failed = [ability.replace("_", " ") for ability, is_right in results.items() if not is_right]
    return "not " + ", ".join(failed) if failed else "yes"


def _check(ability: str) -> Callable[[Run, Any], str]:
    checks = {"structure": _structured, "thinking": _thinking, "cache": _cache, "tools": _tools}
    return next(check for part, check in checks.items() if part in ability)


def _tools(_: Run, value: Any) -> str:
    return "" if SECOND_RESULT in value else f"{value}"


def _structured(_: Run, value: Any) -> str:
    return "" if value == PERSON else f"{value}"


def _thinking(run: Run, value: Any) -> str:
    if value != THINKING:
        return f"the agent saw [{value}]"
    signature = None if run.service == "openai" else SIGNATURE
    if signature and run.agent.speaks == COMPLETIONS:
        return ""  # which has no place for signatures; to send it back without its signature would be refused
    back = [thought for turn in run.turns for thought in turn.returned]
    return "" if (THINKING, signature) in back else f"the provider was sent back {back}"


def _cache(run: Run, value: Any) -> str:
    hinted = [turn.cached for turn in run.turns]
    if run.service != "openai" and not any(cached >= {"system", "messages"} for cached in hinted):
        return f"the provider had hints in {sorted({part for cached in hinted for part in cached})}"
    return "" if isinstance(value, int) and value >= CACHED else f"the agent saw {value} tokens read from a cache"
