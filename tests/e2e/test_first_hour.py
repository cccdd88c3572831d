"""What somebody meets who has just installed Inferpoint."""

from __future__ import annotations

import base64
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from emulated_provider import Provider
from raw_http import ask
from real_processes import PATIENCE, Inferpoint, Program, environ, run, serving

PROGRAM = str(Path(sys.executable).parent / "inferpoint")


def typed(server: Inferpoint, home: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return run([PROGRAM, *words], environ(home, {"INFERPOINT_URL": server.url, **more}))


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("inferpoint.errors", ["services"]),
        ("inferpoint.cli", ["services"]),
        ("rich", ["services"]),
        ("inferpoint.config", ["serve"]),
        ("inferpoint.app", ["serve", "--port=0"]),
        ("inferpoint.workers.supervisor", ["serve", "--workers=2", "--port=0"]),
        ("httptools", ["serve", "--port=0"]),
    ],
)
def test_interrupting_a_start_is_quiet(tmp_path: Path, module: str, words: list[str]) -> None:
    """Ctrl-C in the first second ends a command with a shell's status, and nothing is printed."""
    program = (
        "import sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}:\n"
        "            raise KeyboardInterrupt\n"
        "from inferpoint.__main__ import main\n"
        "sys.modules.pop('inferpoint.errors', None)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "main()\n"
    )
    done = run([sys.executable, "-c", program, *words], environ(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_the_version_has_an_option(home: Path) -> None:
    """As people try first; the command says the same."""
    for words in (["--version"], ["version"]):
        done = run([PROGRAM, *words], environ(home))
        assert (done.returncode, done.stdout, done.stderr) == (0, "0.1.0\n", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_commands(home: Path, shell: str) -> None:
    """The shell is told the commands that begin as what was typed."""
    env = {"_INFERPOINT_COMPLETE": f"complete_{shell}", "COMP_WORDS": "inferpoint ser", "COMP_CWORD": "1"}
    asked = {"_TYPER_COMPLETE_ARGS": "inferpoint ser", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    done = run([PROGRAM], environ(home, {**env, **asked}))
    assert {"serve", "services"} <= set(done.stdout.replace('"', " ").replace(":", " ").split())


def test_a_command_that_is_nearly_one_is_told_which(home: Path) -> None:
    """Beside the status of what cannot be understood."""
    done = run([PROGRAM, "endpoint"], environ(home))
    assert (done.returncode, "Did you mean 'endpoints'?" in done.stderr) == (2, True)


def test_an_endpoint_is_put_by_words(server: Inferpoint, home: Path, inference_id: str) -> None:
    """Service settings by their names, nested ones by a dot, other sections by theirs; a key from a variable."""
    words = ("endpoints", "put", inference_id, "--task-type", "text_embedding", "--service", "openai")
    settings = ("model_id=text-embedding-3-small", "api_key=@env:KEY", "rate_limit.requests_per_minute=7")
    sections = ("task_settings.user=me", 'aliases=["first-hour"]', "chunking_settings.strategy=none")
    assigned = [word for assignment in (*settings, *sections) for word in ("--set", assignment)]
    done = typed(server, home, *words, *assigned, KEY="sk-of-a-variable")
    assert done.returncode == 0, done.stderr
    put = json.loads(done.stdout)
    assert put["service_settings"]["rate_limit"] == {"requests_per_minute": 7}
    assert put["task_settings"] == {"user": "me"}
    assert (put["aliases"], put["chunking_settings"]) == (["first-hour"], {"strategy": "none"})
    assert "sk-of-a-variable" not in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "api_key=@env:NOBODY_SET_IT"], "inferpoint: The variable [NOBODY_SET_IT] is not set\n"),
        (["--set", "api_key"], "inferpoint: [api_key] is no NAME=VALUE\n"),
    ],
)
def test_a_wrong_word_is_told(server: Inferpoint, home: Path, words: list[str], said: str) -> None:
    """In one sentence, before anything is asked."""
    done = typed(server, home, "endpoints", "put", "x", *words)
    assert (done.returncode, done.stderr) == (1, said)


def test_an_endpoint_of_nothing_is_not_understood(server: Inferpoint, home: Path) -> None:
    """Neither JSON nor words: the usage says what is possible."""
    done = typed(server, home, "endpoints", "put", "x")
    assert (done.returncode, "--set" in done.stderr) == (2, True)


def test_the_user_of_an_address_is_told_to_the_server_alone(home: Path, provider: Callable[..., Provider]) -> None:
    """A proxy before the server gets user and password; no error shows them."""
    guarded = provider(lambda asked: asked.answer({"error": "no"}, status=401))
    url = guarded.url.replace("://", "://me:p%40ss@")
    done = run([PROGRAM, "endpoints", "list", "--url", url], environ(home))
    assert guarded.next().headers["authorization"] == f"Basic {base64.b64encode(b'me:p@ss').decode()}"
    assert "no" in done.stderr
    assert "p%40ss" not in done.stderr + done.stdout
    guarded_nobody = "http://me:p%40ss@127.0.0.1:9"
    done = run([PROGRAM, "endpoints", "list", "--url", guarded_nobody], environ(home))
    assert done.stderr.startswith("inferpoint: No server answers at http://127.0.0.1:9: ")


def test_vectors_are_short_on_a_terminal(server: Inferpoint, home: Path, embedder: Provider, inference_id: str) -> None:
    """A person sees how each begins and how long it is; a program still has all of it."""
    config = {"service": "hugging_face", "service_settings": {"api_key": "hf", "url": embedder.url}}
    assert ask(server.url, "PUT", f"/_inference/text_embedding/{inference_id}", config).status == 200
    words = [PROGRAM, "infer", inference_id, "a", "b", "--url", server.url]
    person, terminal = pty.openpty()
    with subprocess.Popen(words, env=environ(home), stdout=terminal) as command:
        os.close(terminal)
        assert command.wait(PATIENCE) == 0
    assert os.read(person, 10_000).decode().splitlines() == ["0.6000, 0.0000, 0.8000, … (3 numbers)"] * 2
    os.close(person)
    assert [json.loads(line) for line in run(words, environ(home)).stdout.splitlines()] == [
        {"embedding": [0.6, 0.0, 0.8]}
    ] * 2


def test_a_variable_that_sets_nothing_is_named(tmp_path: Path) -> None:
    """The server starts, and its log says which it was and which was meant."""
    with Program(serving(tmp_path / "data"), environ(tmp_path, {"INFERPOINT_LOG_FORMT": "json"})) as server:
        said = rb"warning The variable \[INFERPOINT_LOG_FORMT\] sets nothing, did you mean \[INFERPOINT_LOG_FORMAT\]"
        server.until(said)
        server.until(rb"is listening on")
        server.tell(signal.SIGTERM)
        assert server.ended() == 0


def test_the_default_chunks_fit_the_local_model(
    server: Inferpoint, home: Path, local_model: str, inference_id: str
) -> None:
    """A long text is chunked by the default settings, and by larger ones than the model takes."""
    config = {"service": "elasticsearch", "service_settings": {"model_id": local_model}}
    assert ask(server.url, "PUT", f"/_inference/text_embedding/{inference_id}", config).status == 200
    text = "Antidisestablishmentarianism is not a word that anybody uses, and yet everybody knows it. " * 200
    for settings in ({}, {"chunking_settings": {"strategy": "word", "max_chunk_size": 300, "overlap": 100}}):
        body = {"input": [text, "short"], "chunked": True, **settings}
        answered = ask(server.url, "POST", f"/_inference/{inference_id}", body)
        assert answered.status == 200, answered.body
