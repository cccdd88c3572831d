"""Every agent with every service: a whole loop of tools, objects, thinking that goes there and back, cache hints."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from real_agents import AGENTS, DOCUMENT, FOUND, SERVICES, Agent, Run, written

CASES = [
    pytest.param(agent, service, id=f"{agent.name}-{service}", marks=[] if agent.is_sampled else [pytest.mark.agents])
    for agent in AGENTS
    for service in SERVICES
]


@pytest.mark.parametrize(("agent", "service"), CASES)
def test_an_agent(agent: Agent, service: str, work: Callable[[Agent, str], Run]) -> None:
    """All that its script asks is answered as the provider meant it, no request is refused, no other machine asked."""
    came = work(agent, service)
    if came.report:
        pytest.fail(came.report, pytrace=False)


@pytest.mark.agents
def test_the_table_is_what_came_of_it() -> None:
    """docs/compatibility.md says which agent was seen to work with which service."""
    text, found = DOCUMENT.read_text("utf-8"), json.loads(FOUND.read_text("utf-8"))
    assert written(text, found) == text, "docs/compatibility.md is behind: run `make docs`"
