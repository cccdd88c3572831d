"""What README says of millions of documents, typed: 5,000 of a Parquet file into PostgreSQL, and searched."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from emulated_provider import Asked, Provider
from raw_http import ask
from real_processes import ROOT, Inferpoint, environ, run

pytest.importorskip("psycopg", reason="`make test` installs psycopg in .venvs/bulk")
COUNT, NUMBERS = 5000, 256
PATH = {name: value for name, value in os.environ.items() if name == "PYTHONPATH"}  # where it is not installed
DATABASE = "postgresql://localhost/search"
SECTION = re.compile(r"^## Millions of documents\n(.*?)^## ", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def words(asked: Asked) -> None:
    """Vectors by the words of texts, so that those about the same thing are near."""
    inputs = asked.json["inputs"]
    asked.answer([vector(text) for text in ([inputs] if isinstance(inputs, str) else inputs)])


def vector(text: str) -> list[float]:
    numbers = [0.01] * NUMBERS
    for word in re.findall(r"[a-z]{5,}", text.lower()):
        numbers[zlib.crc32(word.encode()) % NUMBERS] += 1
    length = sum(number**2 for number in numbers) ** 0.5
    return [number / length for number in numbers]


def about(number: int) -> str:
    """A text of four words that hardly another one has."""
    letters = hashlib.md5(str(number).encode()).hexdigest().translate(str.maketrans("0123456789", "ghijklmnop"))
    return " ".join(letters[begin : begin + 8] for begin in range(0, 32, 8))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Inferpoint]:
    """A server with the endpoint that README calls minilm."""
    with Provider(words) as provider, Inferpoint(tmp_path / "data", env=PATH) as running:
        settings = {"api_key": "hf", "url": provider.url, "rate_limit": {"requests_per_minute": 100_000}}
        body = {"service": "hugging_face", "service_settings": settings}
        assert ask(running.url, "PUT", "/_inference/text_embedding/minilm", body).status == 200
        yield running


def test_documents_are_embedded_and_searched(server: Inferpoint, database: str, tmp_path: Path) -> None:
    """In ten lines that anybody can type."""
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pytest.importorskip("pyarrow").table
    texts = [f"A giraffe is tall: {number}" if number % 1000 == 7 else about(number) for number in range(COUNT)]
    ids = [f"d{number}" for number in range(COUNT)]
    parquet.write_table(table({"id": ids, "text": texts}), tmp_path / "docs.parquet")
    (section,) = SECTION.findall((ROOT / "README.md").read_text("utf-8"))
    (_, command), (_, program) = BLOCK.findall(section)
    assert len(command.splitlines() + program.splitlines()) <= 10

    def typed(text: str) -> str:
        own = text.replace(f"{DATABASE}?", f"{database}&").replace(DATABASE, database)
        return own.replace("http://127.0.0.1:9210", server.url)

    env = environ(tmp_path, PATH)
    _, *arguments = shlex.split(typed(command))
    done = run((sys.executable, "-m", "inferpoint", *arguments), env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"│ done +│ 5,000 +│ 5,000 +│ 0 +│ 5,000 +│", done.stdout)
    searched = run((sys.executable, "-c", typed(program)), env)
    assert searched.returncode == 0, searched.stderr
    lines = searched.stdout.splitlines()
    assert len(lines) == 3
    assert "giraffe" in lines[0]
    again = run((sys.executable, "-m", "inferpoint", *arguments), env, cwd=tmp_path)
    assert "nothing is left to do" in again.stderr
