"""Every agent with every service: a whole loop of tools, objects, thinking that goes there and back, cache hints."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from counterparts import ScriptedProvider
from real_agents import AGENTS, DOCUMENT, FOUND, NATIVE, SERVICES, Agent, Run, noted, written
from real_processes import Inferpoint

Work = Callable[[Agent, str, str], Run]


def marks(agent: Agent) -> list[pytest.MarkDecorator]:
    return [] if agent.is_sampled else [pytest.mark.agents]


CASES = [
    pytest.param(agent, service, id=f"{agent.name}-{service}", marks=marks(agent))
    for agent in AGENTS
    for service in SERVICES
]
ALONE = [pytest.param(agent, id=agent.name, marks=marks(agent)) for agent in AGENTS if agent.speaks in NATIVE]


@pytest.mark.parametrize(("agent", "service"), CASES)
def test_an_agent(agent: Agent, service: str, server: Inferpoint, work: Work) -> None:
    """All that its script asks is answered as the provider meant it, no request is refused, no other machine asked."""
    came = work(agent, service, server.url)
    FOUND.write_text(json.dumps(noted(came), indent=1), "utf-8")
    if came.report:
        pytest.fail(came.report, pytrace=False)


@pytest.mark.parametrize("agent", ALONE)
def test_an_agent_without_us(agent: Agent, scripted: ScriptedProvider, work: Work) -> None:
    """An agent that asks the provider itself has no fault, so that a fault with us is ours."""
    came = work(agent, NATIVE[agent.speaks], scripted.url)
    if came.report:
        pytest.fail(came.report, pytrace=False)


@pytest.mark.agents
def test_the_table_is_what_came_of_it() -> None:
    """docs/compatibility.md says which agent was seen to work with which service."""
    text, found = DOCUMENT.read_text("utf-8"), json.loads(FOUND.read_text("utf-8"))
    assert written(text, found) == text, "docs/compatibility.md is behind: run `make docs`"
