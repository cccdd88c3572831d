import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "demo" / "demo.py"
PARAGRAPHS = ROOT / "demo" / "paragraphs.txt"
KEY = "sk-canary-of-the-demo"
BEST = {
    "How do bees tell each other where to find flowers?": "The waggle dance",
    "Why can't I sleep after an espresso?": "Caffeine",
    "What makes toast smell so good?": "The Maillard reaction",
    "Why does a TV dish never have to be turned?": "Geostationary orbit",
    "How did scholars learn to understand the writing of the pharaohs?": "The Rosetta Stone",
}


class OpenAI(BaseHTTPRequestHandler):
    """A chat API in the form of OpenAI's documentation, or one that refuses the key and repeats it."""

    protocol_version = "HTTP/1.1"
    refuses = False

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        assert self.headers["authorization"] == f"Bearer {KEY}"
        if self.refuses:
            self._answer(401, "application/json", json.dumps({"error": {"message": f"Incorrect API key: {KEY}"}}))
        elif asked.get("stream"):
            deltas = ({"content": "Two scripts "}, {"content": "and a Greek one."})
            choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
            choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
            chunks = [json.dumps({"id": "c", "model": "m", "choices": [choice]}) for choice in choices]
            self._answer(200, "text/event-stream", "".join(f"data: {chunk}\n\n" for chunk in [*chunks, "[DONE]"]))
        else:
            message = {"role": "assistant", "content": "They dance."}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            self._answer(200, "application/json", json.dumps({"id": "c", "model": "m", "choices": [choice]}))

    def _answer(self, status, content_type, body):
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


class Refusing(OpenAI):
    refuses = True


@pytest.fixture
def openai(request) -> Generator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), request.param) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


def environment(temporary: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    return {**kept, "TMPDIR": str(temporary), "COLUMNS": "100", **more}


def run(wheel: str, temporary: Path, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(DEMO), wheel]
    return subprocess.run(
        command, cwd=ROOT, env=environment(temporary, **more), capture_output=True, text=True, timeout=120, check=False
    )


def running(folder: Path) -> list[str]:
    """The processes that have *folder* on their command lines."""
    listed = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if str(folder) in line]


def test_the_demo_finds_the_right_passages_and_its_last_commands_work(wheel, tmp_path):
    done = run(wheel, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    for question, title in BEST.items():
        best = done.stdout.partition(question)[2].splitlines()[1]
        assert re.fullmatch(rf"│ 0\.\d\d  [━╸ ]+  {title} +│", best)
    assert "\x1b" not in done.stdout
    assert "3: [service_settings]" in done.stdout
    assert "OPENAI_API_KEY" in done.stdout
    assert not list(tmp_path.iterdir())
    assert not running(tmp_path)
    go_on(done.stdout, tmp_path)


def go_on(shown: str, folder: Path) -> None:
    """Do what the demo's last lines say, on another port."""
    install, serve, infer = re.findall(r"^\S+inferpoint .+$", shown, re.MULTILINE)
    data = {"INFERPOINT_DATA_DIR": str(folder / "data"), "INFERPOINT_PORT": "0"}
    subprocess.run(install, shell=True, cwd=ROOT, env={**os.environ, **data}, check=True, capture_output=True)
    with subprocess.Popen(
        serve.split(), cwd=ROOT, env={**os.environ, **data}, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            url = next(told[0] for line in server.stderr if (told := re.search(r"http://127\.0\.0\.1:\d+", line)))
            curls = re.findall(r"^curl .+?(?=\n\n|\n*\Z)", shown, re.MULTILINE | re.DOTALL)
            answers = [curl(command.replace("http://127.0.0.1:9210", url)) for command in curls]
            asked = {**os.environ, "INFERPOINT_URL": url}
            vectors = subprocess.run(infer, shell=True, cwd=ROOT, env=asked, check=True, capture_output=True, text=True)
        finally:
            server.terminate()
    assert [answer["inference_id"] for answer in answers] == ["my-embeddings"]
    assert [len(json.loads(line)["embedding"]) for line in vectors.stdout.splitlines()] == [384, 384]


def curl(command: str) -> dict:
    command = command.replace("curl ", "curl --silent --fail --noproxy '*' ", 1)
    return json.loads(subprocess.run(command, shell=True, check=True, capture_output=True).stdout)


@pytest.mark.parametrize("openai", [OpenAI], indirect=True)
def test_with_a_key_the_demo_shows_a_completion_and_a_stream(wheel, tmp_path, openai):
    done = run(wheel, tmp_path, OPENAI_API_KEY=KEY, OPENAI_BASE_URL=openai)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\n  They dance. " in done.stdout
    assert "\n  Two scripts and a Greek one. " in done.stdout
    assert KEY not in done.stdout


@pytest.mark.parametrize("openai", [Refusing], indirect=True)
def test_a_key_that_is_refused_does_not_end_the_demo_and_is_not_shown(wheel, tmp_path, openai):
    done = run(wheel, tmp_path, OPENAI_API_KEY=KEY, OPENAI_BASE_URL=openai)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Incorrect API key" in " ".join(done.stdout.split())
    assert KEY not in done.stdout
    assert "curl -X PUT" in done.stdout


def test_what_fails_is_one_sentence(tmp_path):
    done = run("nowhere.whl", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("demo: The model could not be installed: ")
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())
    assert not running(tmp_path)


@pytest.mark.parametrize(("moment", "ending"), [("Inferpoint", signal.SIGTERM), ("✓ Endpoint", signal.SIGINT)])
def test_a_demo_that_is_stopped_leaves_nothing_behind(wheel, tmp_path, moment, ending):
    command = [sys.executable, str(DEMO), wheel]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0
    ) as demo:
        assert any(line.decode().startswith(moment) for line in demo.stdout)
        os.killpg(demo.pid, ending) if ending == signal.SIGINT else demo.send_signal(ending)  # Ctrl-C reaches all
        _, errors = demo.communicate(timeout=60)
    assert (demo.returncode, errors) == (128 + ending, b"")
    assert not list(tmp_path.iterdir())
    assert not running(tmp_path)


def test_paragraphs_have_a_title_and_a_few_sentences():
    blocks = PARAGRAPHS.read_text("utf-8").strip().split("\n\n")
    titles = [block.splitlines()[0] for block in blocks]
    assert 36 <= len(titles) == len(set(titles)) <= 40
    for block in blocks:
        title, *lines = block.splitlines()
        assert not title.endswith(".")
        assert 2 <= len(re.findall(r"[.!?](?= |$)", " ".join(lines))) <= 4, title
        assert all(line == line.strip() and line for line in lines), title
