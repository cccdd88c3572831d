"""The examples of the services' pages, each through the client it is written for."""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from emulated_provider import Provider
from official_clients import CLIENTS, Client
from raw_http import ask
from real_processes import ROOT, Inferpoint, environ, run

_FOLDER = Path(os.environ.get("INFERPOINT_SHARED") or ROOT.parent / "shared")
_FILE = _FOLDER / "pages" / "examples.json"
_COUNT = itertools.count(1)
_FORMS = [*CLIENTS, None]  # none is the console: plain HTTP


def _examples() -> Iterator[Any]:
    if not _FILE.is_file():
        reason = "the pages lie beside the project and are no part of it; INFERPOINT_SHARED names their folder"
        yield pytest.param({}, None, id="none", marks=pytest.mark.skip(reason))
        return
    for example in json.loads(_FILE.read_text("utf-8")):
        for client in _FORMS:
            if (client.language if client else "console") in example:
                name = client.name if client else "console"
                yield pytest.param(example, client, id=f"{example['inference_id']}, {name}")


def filled(text: str, embedder: Provider) -> str:
    """*text* with what its reader fills in where it has angle brackets."""
    values = {"<url_endpoint>": embedder.url, "<model_id>": "claude-sonnet-4-5"}
    # A new key each time: calls with the same one would wait for each other, at the pace that the provider allows.
    return re.sub(r"<\w+>", lambda found: values.get(found[0], f"made-up-{next(_COUNT)}"), text)


def console(text: str) -> tuple[str, str, str]:
    """The method, path and body of a request as Kibana's console has it."""
    method, path, body = text.split(maxsplit=2)
    return method, f"/{path}", body


def unflattened(text: str) -> str:
    """*text* with the one line end that Python needs: some pages lost all of theirs."""
    return re.sub(r"\) print\(resp\)$", ")\nprint(resp)", text)


@pytest.mark.parametrize(("example", "client"), list(_examples()))
def test_an_example_of_the_pages_works(
    server: Inferpoint, embedder: Provider, home: Path, example: dict[str, Any], client: Client | None
) -> None:
    """The example makes the endpoint that the page says it makes, and the endpoint answers."""
    services = {each["service"] for each in ask(server.url, "GET", "/_inference/_services").json}
    if example["page"] not in services:
        pytest.skip(f"there is no service {example['page']} yet")
    if client is None:
        method, path, body = console(filled(example["console"], embedder))
        made = ask(server.url, method, path, body.encode())
        assert made.status == 200, made.body
    else:
        text = unflattened(filled(example[client.language], embedder))
        done = run(client.command("example", server.url), environ(home), text)
        assert done.returncode == 0, done.stderr
        assert example["inference_id"] in done.stdout

    path = f"/_inference/{example['task_type']}/{example['inference_id']}"
    try:
        (found,) = ask(server.url, "GET", path).json["endpoints"]
        given = json.loads(filled(json.dumps(example["body"]), embedder))
        sensitive = {"api_key", "access_key", "secret_key"}
        visible = {name: value for name, value in given["service_settings"].items() if name not in sensitive}
        assert found["service"] == given["service"]
        assert visible.items() <= found["service_settings"].items()
        assert not sensitive & found["service_settings"].keys()
        answered = ask(server.url, "POST", path, {"input": "how big"})
        assert answered.status == 200, answered.body
        assert answered.json[example["task_type"]]
    finally:
        assert ask(server.url, "DELETE", path).status == 200
