"""Services of other distributions: the worked example installed beside us, and what is refused."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from emulated_provider import Asked, Provider
from raw_http import ask
from real_processes import ROOT, Inferpoint, environ, run

EXAMPLE = ROOT / "examples/acme_inference"
USED = """
import inferpoint

with inferpoint.connect() as ip:
    settings = {"api_key": "acme-canary-0123456789", "model_id": "acme-1"}
    ip.put("vectors", task_type="text_embedding", service="acme", service_settings=settings)
    print(ip.infer("vectors", ["a", "b", "c"]).numbers())
    ip.put("words", task_type="completion", service="acme", service_settings=settings)
    print(ip.infer("words", "How big?").choices[0].text)
    print([type(delta).__name__ for delta in ip.stream("words", "How big?")])
"""


def acme(asked: Asked) -> None:
    """Answer as Acme documents it."""
    given = asked.json
    if asked.path.endswith("/embed"):
        asked.answer({"vectors": [[index, 1] for index, _ in enumerate(given["texts"])]})
    elif given["stream"]:
        asked.stream()
        asked.send((EXAMPLE / "tests/conversations/completion_stream.sse").read_bytes())
    else:
        asked.answer({"id": "w-1", "text": "Very big.", "end": "stop"})


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, built and installed by pip into a folder of its own."""
    folder = tmp_path_factory.mktemp("acme")
    shutil.copytree(EXAMPLE, folder / "source")
    options = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    target = folder / "target"
    command = (sys.executable, "-m", "pip", "install", *options, "--target", str(target), str(folder / "source"))
    done = run(command, environ(folder))
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def env(installed: Path, tmp_path: Path) -> dict[str, str]:
    """An environment in which the example is installed."""
    return environ(tmp_path, {"PYTHONPATH": str(installed), "PYTHONWARNINGS": "error"})


@pytest.fixture
def bring(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """A function that writes a distribution by hand and returns the environment in which it is installed."""

    def write(distribution: str, entry: str, module: str, *, beside: Path | None = None) -> dict[str, str]:
        folder = tmp_path / distribution
        described = folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
        described.mkdir(parents=True)
        (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n", "utf-8")
        (described / "entry_points.txt").write_text(f"[inferpoint.services]\n{entry}\n", "utf-8")
        (folder / "brought.py").write_text(module, "utf-8")
        paths = [str(each) for each in (folder, beside) if each is not None]
        return environ(tmp_path, {"PYTHONPATH": ":".join(paths)})

    return write


def inferpoint(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "inferpoint", *arguments]


def refused(env: dict[str, str], home: Path) -> str:
    """The one sentence with which server, command line and library refuse to start."""
    said: set[str] = set()
    for command in (("serve", "--port=0", f"--data-dir={home / 'data'}"), ("services",)):
        done = run(inferpoint(*command), env)
        assert done.returncode == 1, done.stdout + done.stderr
        assert done.stdout == ""
        said.add(done.stderr)
    program = "import inferpoint\ntry: inferpoint.Inferpoint()\nexcept inferpoint.InferenceError as e: print(e)"
    done = run((sys.executable, "-c", program), env)
    said.add(f"inferpoint: {done.stdout}")
    assert len(said) == 1, said
    assert said.copy().pop().count("\n") == 1
    return said.pop().removeprefix("inferpoint: ").rstrip("\n")


def test_it_is_listed(env: dict[str, str]) -> None:
    """The command line lists a service of another distribution among ours."""
    done = run(inferpoint("services", "--output", "json"), env)
    assert done.returncode == 0, done.stderr
    found = {each["service"]: each for each in json.loads(done.stdout)}
    assert found["acme"] == {"service": "acme", "name": "Acme", "task_types": ["text_embedding", "completion"]}
    assert "openai" in found


def test_it_is_described_and_served(env: dict[str, str], tmp_path: Path, provider: Callable[..., Provider]) -> None:
    """A server describes it, and serves endpoints of it, moved by its own variable."""
    more = {"PYTHONPATH": env["PYTHONPATH"], "ACME_BASE_URL": f"{provider(acme).url}/v1"}
    with Inferpoint(tmp_path / "data", env=more) as server:
        described = {each["service"]: each for each in json.loads(ask(server.url, "GET", "/_inference/_services").body)}
        assert described["acme"]["configurations"]["api_key"]["sensitive"]
        config = {"service": "acme", "service_settings": {"api_key": "acme-canary", "model_id": "acme-1"}}
        made = ask(server.url, "PUT", "/_inference/text_embedding/mine", config)
        assert made.status == 200, made.body
        assert b"canary" not in made.body
        answer = json.loads(ask(server.url, "POST", "/_inference/mine", {"input": ["a", "b"]}).body)
        assert answer == {"text_embedding": [{"embedding": [0, 1]}, {"embedding": [1, 1]}]}


def test_it_is_used_through_the_library(env: dict[str, str], provider: Callable[..., Provider]) -> None:
    """The library embeds, completes and streams by it."""
    playing = provider(acme)
    done = run((sys.executable, "-c", USED), {**env, "ACME_BASE_URL": f"{playing.url}/v1"})
    assert done.returncode == 0, done.stderr
    vectors, text, deltas = done.stdout.splitlines()
    assert json.loads(vectors) == [[0, 1], [1, 1], [2, 1]]
    assert text == "Very big."
    assert deltas == str(["Started", "Text", "Text", "Finished", "Used"])
    assert playing.next().headers["authorization"] == "Bearer acme-canary-0123456789"


def test_its_own_tests_pass(env: dict[str, str], tmp_path: Path) -> None:
    """Its two-line test file is a test for every promise, task and conversation, and needs no hypothesis."""
    shutil.copytree(EXAMPLE / "tests", tmp_path / "tests")
    (tmp_path / "hypothesis.py").write_text("raise ImportError('authors need not have it')", "utf-8")
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "tests")
    done = run(("env", "-C", str(tmp_path), *command), {**env, "PYTHONPATH": f"{env['PYTHONPATH']}:{tmp_path}"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "50 passed" in done.stdout


def test_a_name_claimed_twice_is_refused(installed: Path, bring: Callable[..., dict[str, str]], tmp_path: Path) -> None:
    """Of two distributions with one name neither is taken, and both are named."""
    env = bring("other-acme", "acme = brought:SERVICE", "from acme_inference import SERVICE", beside=installed)
    said = refused(env, tmp_path)
    assert said.startswith("The service [acme] is claimed by two distributions: ")
    assert "[other-acme]" in said
    assert "[acme-inference]" in said


def test_a_name_of_ours_is_refused(bring: Callable[..., dict[str, str]], tmp_path: Path) -> None:
    """Nothing takes the place of a service of ours."""
    env = bring("better-openai", "openai = brought:SERVICE", "from inferpoint.services.openai import SERVICE")
    said = "The service [openai] is claimed by two distributions: [inferpoint] and [better-openai]"
    assert refused(env, tmp_path) == said


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (
            "from dataclasses import replace\nfrom inferpoint.services.openai import SERVICE\n"
            "SERVICE = replace(SERVICE, name='mine', contract=1)",
            "was written for contract [1]; this version has contract [2]",
        ),
        ("raise ValueError('no\\nluck')", "cannot be loaded: ValueError: no luck"),
        ("raise ValueError", "cannot be loaded: ValueError"),
        ("raise SystemExit(3)", "cannot be loaded: SystemExit: 3"),
        ("def f(:", "cannot be loaded: SyntaxError: "),
        ("import not_there", "cannot be loaded: ModuleNotFoundError: No module named 'not_there'"),
        ("OTHER = 1", "cannot be loaded: AttributeError: module 'brought' has no attribute 'SERVICE'"),
        ("SERVICE = {'name': 'mine'}", "is not a Service of that name"),
        ("from inferpoint.services.openai import SERVICE", "is not a Service of that name"),
    ],
    ids=["contract", "raises", "silent", "exits", "syntax", "import", "missing", "dict", "name"],
)
def test_what_cannot_be_taken_is_refused(
    bring: Callable[..., dict[str, str]], tmp_path: Path, module: str, said: str
) -> None:
    """A service that cannot be loaded, or is none, is one sentence with its distribution's name."""
    found = refused(bring("mine-inference", "mine = brought:SERVICE", module), tmp_path)
    assert found.startswith(f"The service [mine] of the distribution [mine-inference] {said}")
