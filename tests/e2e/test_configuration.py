"""A server whose endpoints are in a file: at its start, and from outside, from one server to another."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from emulated_provider import Asked, Provider
from raw_http import ask
from real_processes import Inferpoint, environ, run

KEY, ANOTHER = "sk-canary-of-the-file-1", "sk-canary-of-the-file-2"
FILE = """
endpoints:
  completion/good:
    service: openai
    service_settings: {{api_key: "${{KEY}}", model_id: gpt-4o-mini}}
    aliases: [live]
  chat_completion/bad:
    service: openai
    service_settings: {{api_key: "${{KEY}}", model_id: m, url: "{url}/v1/chat/completions"}}
"""
Typed = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def typed(tmp_path: Path) -> Typed:
    """A function that runs a command about a server, with the variables that the file names."""

    def run_command(server: Inferpoint, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        given = {"INFERPOINT_URL": server.url, "KEY": KEY, **variables}
        done = run([sys.executable, "-m", "inferpoint", *words], environ(tmp_path, given))
        assert not [key for key in (KEY, ANOTHER) if key in done.stdout + done.stderr]
        return done

    return run_command


def refused(asked: Asked) -> None:
    asked.answer({"error": {"message": "no such key"}}, 401)


def shown(server: Inferpoint) -> dict[str, Any]:
    return {one["inference_id"]: one for one in ask(server.url, "GET", "/_inference").json["endpoints"]}


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_starts_with_the_endpoints_of_its_file(tmp_path: Path, moved: dict[str, str], workers: str) -> None:
    """They are made, changed when the file changed, and named when they fail; what the API made stays."""
    file = tmp_path / "inferpoint.yaml"
    env = {**moved, "KEY": KEY}
    with Provider(refused) as provider:
        file.write_text(FILE.format(url=provider.url))
        flags = (f"--config={file}", f"--workers={workers}")
        with Inferpoint(tmp_path / "data", *flags, env=env) as server:
            assert shown(server).keys() == {"good"}
            assert ask(server.url, "POST", "/_inference/live", {"input": "how big"}).status == 200
            assert b"The endpoint [good] of the configuration file is created" in server.written
            assert re.search(rb"warning The endpoint \[bad\] .* could not be created: .*no such key", server.written)
            assert b"Of 2 endpoints of the configuration file, 1 are not as it says" in server.written
            config = {"service": "openai", "service_settings": {"api_key": KEY, "model_id": "gpt-4o-mini"}}
            assert ask(server.url, "PUT", "/_inference/completion/by-api", config).status == 200
        file.write_text(FILE.format(url=provider.url).replace("[live]", "[live, new]"))
        with Inferpoint(tmp_path / "data", *flags, env=env) as server:
            assert shown(server).keys() == {"good", "by-api"}
            assert shown(server)["good"]["aliases"] == ["live", "new"]
            assert b"[good] of the configuration file is updated" in server.written
            assert KEY.encode() not in server.written


def test_a_wrong_file_keeps_a_server_from_starting(tmp_path: Path) -> None:
    """Every problem is told with its line, and nothing is made."""
    file = tmp_path / "inferpoint.yaml"
    file.write_text("prot: 5\n" + FILE.format(url="http://127.0.0.1:1").replace("model_id: m", "modl: m"))
    done = run([sys.executable, "-m", "inferpoint", "serve", "--config", str(file)], environ(tmp_path, {}))
    assert done.returncode == 1
    for line, problem in ((1, "[prot]"), (6, "The variable KEY is not set"), (10, "The variable KEY is not set")):
        assert f"{file}:{line}: {problem}" in done.stderr
    assert not (tmp_path / ".local").exists()


def test_what_was_exported_makes_an_equal_server(tmp_path: Path, moved: dict[str, str], typed: Typed) -> None:
    """With the keys in variables; then there is no difference, and each change after is one, until it is applied."""
    with (
        Inferpoint(tmp_path / "one", env=moved) as one,
        Inferpoint(tmp_path / "two", env=moved) as two,
    ):
        endpoints = {
            "text_embedding/docs": {"cache": {}, "aliases": ["live", "BAAI/bge-m3"]},
            "completion/gpt": {"task_settings": {"user": "${USER}", "headers": {"x-team": ANOTHER}}},
        }
        for name, sections in endpoints.items():
            settings = {"api_key": KEY, "model_id": "no", "rate_limit": {"requests_per_minute": 60}}
            config = {"service": "openai", "service_settings": settings, **sections}
            assert ask(one.url, "PUT", f"/_inference/{name}?skip_validation=true", config).status == 200
        file = tmp_path / "exported.yaml"
        file.write_text(typed(one, "export").stdout)
        assert "${DOCS_API_KEY}" in file.read_text()
        missing = typed(two, "apply", str(file))
        assert missing.returncode == 1
        for name in ("DOCS_API_KEY", "GPT_API_KEY", "GPT_HEADERS_X_TEAM"):
            assert f"The variable {name} is not set" in missing.stderr
        keys = {"DOCS_API_KEY": KEY, "GPT_API_KEY": KEY, "GPT_HEADERS_X_TEAM": ANOTHER}
        assert typed(one, "diff", str(file), **keys).returncode == 0
        assert typed(two, "diff", str(file), **keys).returncode == 2
        assert typed(two, "apply", str(file), "--dry-run", **keys).returncode == 0
        assert shown(two) == {}
        applied = typed(two, "apply", str(file), "--skip-validation", **keys)
        assert applied.returncode == 0, applied.stderr
        assert applied.stdout.splitlines()[-1] == "2 to create, 0 to change, 0 to delete, 0 as they are"
        assert shown(two) == shown(one)
        assert typed(two, "diff", str(file), "--prune", **keys).stdout.startswith("0 to create, 0 to change")
        assert typed(two, "export").stdout == file.read_text()
        other = typed(two, "diff", str(file), **{**keys, "GPT_API_KEY": ANOTHER})
        assert other.returncode == 2
        assert other.stdout.splitlines()[:2] == ["~ gpt", "    service_settings.api_key: *** -> ***"]
        file.write_text("endpoints: {}\n")
        assert typed(two, "diff", str(file)).returncode == 0
        pruned = typed(two, "diff", str(file), "--prune")
        assert (pruned.returncode, pruned.stdout.count("\n- ") + pruned.stdout.startswith("- ")) == (2, 2)
        assert typed(two, "apply", str(file), "--prune").returncode == 0
        assert shown(two) == {}


def test_what_cannot_be_applied_is_told(tmp_path: Path, moved: dict[str, str], typed: Typed) -> None:
    """The exit status is 1, and all others are made."""
    file = tmp_path / "inferpoint.yaml"
    with Provider(refused) as provider, Inferpoint(tmp_path / "data", env=moved) as server:
        file.write_text(FILE.format(url=provider.url))
        done = typed(server, "apply", str(file))
        assert done.returncode == 1
        assert "[bad] " in done.stderr
        assert "no such key" in done.stderr
        assert shown(server).keys() == {"good"}
        file.write_text(FILE.format(url=provider.url).replace("gpt-4o-mini", "another"))
        changed = typed(server, "diff", str(file))
        assert changed.returncode == 1
        assert "[service_settings.model_id] cannot be changed" in changed.stderr
