"""What the README and the docs say to type, typed; what they say to expect, compared."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import metadata
from pathlib import Path

import pytest
from raw_http import ask
from real_processes import ROOT, Inferpoint, environ, run

from inferpoint import services
from inferpoint.api.elastic import write
from inferpoint.local.models import REPOSITORY

DOCS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
ADDRESS = "http://127.0.0.1:9210"


def blocks(path: Path) -> list[tuple[str, str]]:
    """The fenced blocks of a document: language and text, without the indentation of the list they stand in."""
    found = BLOCK.findall(path.read_text("utf-8"))
    return [(language, re.sub(f"^{indent}", "", text, flags=re.MULTILINE)) for indent, language, text in found]


@pytest.fixture
def env(server: Inferpoint, local_model: str, tmp_path: Path) -> dict[str, str]:
    """A user's environment: the server's address, a key, and the platform's data folder with the model in it."""
    (tmp_path / "inferpoint").mkdir()
    (tmp_path / "inferpoint" / "models").symlink_to(server.data_dir / "models")
    bin_folder = str(Path(sys.executable).parent)
    given = environ(tmp_path)
    return given | {
        "PATH": f"{bin_folder}:{given['PATH']}",
        "INFERPOINT_URL": server.url,
        "OPENAI_API_KEY": "sk-test",
        "XDG_DATA_HOME": str(tmp_path),
    }


def typed(command: str, env: dict[str, str]) -> str:
    """What *command* prints; the commands that cannot run here are held to what they name."""
    words = shlex.split(command)
    match words:
        case ["make", target]:
            return checked(["make", "-n", target], env)
        case ["pip", "install", package]:
            name, _, extra = package.rstrip("]").partition("[")
            assert name == "."
            assert extra in ("", *(metadata("inferpoint").get_all("Provides-Extra") or ()))
            return ""
        case ["inferpoint", "models", "pull", repository]:  # the hub is not reached from a test
            assert repository == REPOSITORY
            return ""
        case ["inferpoint", "serve" | "embed" | "jobs", *_]:  # it runs already; or needs a database, or documents
            return checked([*words, "--help"], env)
        case _:
            folder = env["HOME"] if ".yaml" in command else ROOT
            return checked(["bash", "-euc", command.replace(ADDRESS, env["INFERPOINT_URL"])], env, folder)


def checked(arguments: list[str], env: dict[str, str], folder: str | Path = ROOT) -> str:
    done = subprocess.run(arguments, env=env, capture_output=True, text=True, cwd=folder, timeout=60, check=False)
    assert done.returncode == 0, f"{arguments}: {done.stderr}"
    return done.stdout


def commands(text: str) -> list[str]:
    """The commands of a shell block; a quoted argument, or a backslash, may make it several lines."""
    found: list[str] = []
    for line in text.splitlines():
        if found and (found[-1].count("'") % 2 or found[-1].endswith("\\")):
            found[-1] += "\n" + line
        else:
            found.append(line)
    return [command for command in found if command.strip()]


@contextlib.contextmanager
def alone(path: Path, text: str, env: dict[str, str]) -> Iterator[dict[str, str]]:
    """The environment of a user with a server of their own, where a document makes keys: the first closes a server."""
    if path.name != "access.md" and "create_api_key" not in text:
        yield env
        return
    data = Path(env["XDG_DATA_HOME"]) / f"own-{len(list(Path(env['XDG_DATA_HOME']).iterdir()))}" / "data"
    data.mkdir(parents=True)
    (data / "models").symlink_to(Path(env["XDG_DATA_HOME"]) / "inferpoint" / "models")
    with Inferpoint(data) as own:
        body = {"service": "elasticsearch", "service_settings": {"model_id": "all-minilm-l6-v2"}}
        assert ask(own.url, "PUT", "/_inference/text_embedding/minilm", body).status == 200
        key = {}
        if path.name == "access.md":
            key = {"INFERPOINT_API_KEY": ask(own.url, "POST", "/_security/api_key", {"name": "a"}).json["encoded"]}
        yield {**env, "INFERPOINT_URL": own.url, **key}


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_every_command_and_answer_is_true(path: Path, env: dict[str, str]) -> None:
    """Each command of a document runs, and a JSON block after one is its answer."""
    answer = ""
    for language, text in blocks(path):
        if language == "sh":
            with alone(path, text, env) as own:
                for command in commands(text):
                    answer = typed(command, own)
        elif language == "yaml" and "endpoints:" in text:  # what the commands after it name
            (Path(env["HOME"]) / "inferpoint.yaml").write_text(text, "utf-8")
        elif language == "json":
            assert json.loads(text) == json.loads(answer)
        elif language == "python" and path.name == "README.md" and "psycopg" not in text:  # as tests/bulk has one
            with alone(path, text, env) as own:
                program = text.replace(ADDRESS, own["INFERPOINT_URL"])
                done = run((sys.executable, "-W", "error", "-c", program), own)
                assert done.returncode == 0, done.stderr


def test_the_worked_example_is_a_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that CONTRIBUTING.md writes step by step is found, described and complete."""
    parts = [text for language, text in blocks(ROOT / "CONTRIBUTING.md") if language == "python"]
    (tmp_path / "acme.py").write_text("\n".join(parts), "utf-8")
    monkeypatch.setattr(services, "__path__", [*services.__path__, str(tmp_path)])
    try:
        described = json.loads(write.services([services.find("acme")]).body)
        assert described[0]["configurations"]["api_key"]["sensitive"]
    finally:
        sys.modules.pop("inferpoint.services.acme", None)
        services._own.cache_clear()


def test_the_tables_are_up_to_date() -> None:
    """The generated parts of the README are what `make docs` writes."""
    done = run((sys.executable, str(ROOT / "tools/tables.py"), "--check"), environ(ROOT))
    assert done.returncode == 0, done.stderr


def test_links_lead_somewhere() -> None:
    """Every link to a file of the project leads to one."""
    for path in DOCS:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text("utf-8")):
            assert (path.parent / target).exists(), f"{path.name}: {target}"
