"""Kibana's pages and connectors: what they ask is answered as they read it. Kibana itself does not run here."""

from __future__ import annotations

import json
from typing import Any

import pytest
from counterparts import ScriptedProvider
from emulated_provider import Asked, Provider, chunk, said, vectors
from raw_http import ask
from real_agents import SCRIPTS
from real_processes import Inferpoint, environ, moved_to, run

BORN = {
    "before": False,
    "made": True,
    "after": True,
    "updated": True,
    "saved": True,
    "scanned": [],
    "still": True,
    "deleted": False,
}


@pytest.fixture(scope="module")
def form(tmp_path_factory: pytest.TempPathFactory, scripted: ScriptedProvider) -> dict[str, Any]:
    """What became of Kibana's pages on a server without endpoints."""
    env = {**moved_to(scripted.url), "OPENAI_BASE_URL": f"{scripted.url}/v1"}
    home = tmp_path_factory.mktemp("kibana")
    with Provider(vectors) as embedder, Inferpoint(home / "data", env=env) as server:
        asked = json.dumps({"url": server.url, "provider": embedder.url})
        done = run(["node", str(SCRIPTS / "kibana_form.mjs"), asked], environ(home))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_form_has_every_field(form: dict[str, Any]) -> None:
    """The form of a service is built from `_services`: whatever is required is of a type that Kibana shows."""
    assert form["named"]
    assert form["unknown"] == []


@pytest.mark.parametrize(
    ("service", "task_type"),
    [("openai", "chat_completion"), ("anthropic", "chat_completion"), ("openai", "completion")],
)
def test_an_endpoint_of_the_form_lives(form: dict[str, Any], service: str, task_type: str) -> None:
    """What the form sends, null for each field left empty, makes an endpoint that is found, updated and deleted."""
    life = form["lives"][f"{service} {task_type}"]
    assert life == {**BORN, "listed": [task_type, service, None]}


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        ("vectors", [3]),
        ("sparse", [{"3": 0.5}]),
        ("ranking", [[1, 1.0], [0, 0.5]]),
        ("completion", ["Nothing was to be done."]),
    ],
)
def test_a_connector_asks(form: dict[str, Any], task: str, answer: list[Any]) -> None:
    """A connector of any task asks by its own settings, whatever the service, and reads the answer's members."""
    assert form[task] == answer


def _wrong(asked: Asked) -> None:
    """A provider that does what the question is called."""
    if not asked.json.get("stream"):
        asked.answer(said("Yes."))  # to the call by which a new endpoint is tried
        return
    match asked.json["messages"][-1]["content"]:
        case "refused":
            asked.answer({"error": {"message": "That is too much.", "type": "invalid_request_error"}}, 400)
        case "overloaded":
            asked.stream()
            asked.send(chunk("Half"))
            asked.send(b'data: {"error": {"message": "Overloaded, sorry.", "type": "server_error"}}\n\n')
        case "cut":
            asked.stream()
            asked.send(chunk("Half"))
        case _:
            asked.stream()
            asked.send(chunk("Half", "length") + b"data: [DONE]\n\n")


# What the connector and the endpoint's reader must throw, in part.
FAULTS = {
    "missing": ("status code 404: ", "Inference endpoint not found [missing]"),
    "refused": ("status code 400: ", "That is too much."),
    "overloaded": ("", "Overloaded, sorry."),
    "cut": ("", "ended"),
    "length": ("", "Token limit reached"),
}


@pytest.fixture(scope="module")
def thrown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, dict[str, str]]]:
    """What Kibana's readers made of each fault."""
    home = tmp_path_factory.mktemp("kibana")
    with Provider(_wrong) as provider, Inferpoint(home / "data", env=moved_to(provider.url)) as server:
        settings = {"api_key": "sk-test", "model_id": "gpt-5", "url": f"{provider.url}/v1/chat/completions"}
        config = {"service": "openai", "service_settings": settings}
        assert ask(server.url, "PUT", "/_inference/chat_completion/openai", config).status == 200
        asked = json.dumps({"url": server.url, "faults": list(FAULTS)})
        done = run(["node", str(SCRIPTS / "kibana_errors.mjs"), asked], environ(home))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_thrown(thrown: dict[str, dict[str, dict[str, str]]], fault: str) -> None:
    """Both of its readers throw the words of what went wrong, and take no broken answer for a whole one."""
    status, words = FAULTS[fault]
    by = thrown[fault]
    assert status in by["connector"]["error"]
    assert words in by["connector"]["error"]
    assert words in by["endpoint"]["error"]
