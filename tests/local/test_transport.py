"""Models in our own process: right vectors, whoever else asks, and nothing blocked."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import threading
import zipfile
from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sending import sent
from tokenizers import Tokenizer

from inferpoint.local import transport as local
from inferpoint.local.encoder import Encoder, Pieces
from inferpoint.local.transport import LocalModels, plan
from inferpoint.model.http import Call, Reply, json_call

MODEL = "all-minilm-l6-v2"
LIMIT = 256
LONG = "the river runs past the old mill and down to the sea " * 8  # about a hundred word pieces
VOICES = [
    "",
    "a",
    "A cat sat.",
    "Ünïcödé ≠ ASCII",
    "一只猫",
    "🙂 " * 5,
    "word " * 40,
    "\n\t",
    "<html>&amp;</html>",
    LONG,
]
Array = np.ndarray[Any, Any]


def call(*inputs: str, **changes: Any) -> Call:
    return json_call("local:text_embedding", {"model": MODEL, "inputs": inputs, **changes})


async def embed(models: LocalModels, *inputs: str, **changes: Any) -> Array:
    reply = await sent(models, call(*inputs, **changes))
    assert reply.status == 200, reply.body
    return np.array(json.loads(reply.body)["embeddings"])


def vectors(models: LocalModels, *inputs: str, **changes: Any) -> Array:
    return asyncio.run(embed(models, *inputs, **changes))


def refused(reply: Reply) -> str:
    assert reply.status == 400
    return json.loads(reply.body)["error"]


def own_tokenizer(wheel: Path) -> Tokenizer:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("/tokenizer.json")]
        tokenizer = Tokenizer.from_str(archive.read(name).decode())
    tokenizer.no_padding()
    tokenizer.enable_truncation(LIMIT)  # pyright: ignore[reportUnknownMemberType]
    return tokenizer


@pytest.mark.parametrize(
    ("text", "alike", "unlike"),
    [
        ("A man is eating food.", "Someone has a meal.", "The stock market fell sharply."),
        ("How do I reset my password?", "I forgot my login credentials.", "Bake at 180 degrees for an hour."),
        ("The cat sleeps on the sofa.", "A kitten naps on the couch.", "Quantum computers factor integers."),
    ],
)
def test_paraphrases(models: LocalModels, text: str, alike: str, unlike: str) -> None:
    """Sentences of like meaning are much nearer to each other than to another one."""
    one, two, three = vectors(models, text, alike, unlike)
    assert one @ two > 0.35
    assert one @ three < 0.15


def test_reference(
    models: LocalModels, wheel: Path, weights: Mapping[str, Array], reference: Callable[..., Array]
) -> None:
    """The vectors are those of a plain BERT, also of a cut text: nothing of the tokenizer's own limits is left."""
    texts = [*VOICES, "one two three four five six seven " * 60]
    tokenizer = own_tokenizer(wheel)
    expected = np.array([reference(weights, tokenizer.encode(text).ids, 12) for text in texts])
    assert np.abs(vectors(models, *texts, truncate="end") - expected).max() < 1e-5


@pytest.mark.parametrize("count", [1, 36, 37, 100])
def test_order(models: LocalModels, count: int) -> None:
    """However many texts of whatever lengths there are, each gets the vector it has alone, in its place."""
    texts = [f"{VOICES[index % len(VOICES)]} {index}" for index in range(count)]
    together = vectors(models, *texts)
    assert together.shape == (count, 384)
    for index in {0, count // 3, count // 2, count - 1}:
        assert np.abs(together[index] - vectors(models, texts[index])[0]).max() < 1e-5


def test_no_inputs(models: LocalModels) -> None:
    """No texts give no vectors."""
    reply = asyncio.run(sent(models, call()))
    assert json.loads(reply.body) == {"embeddings": [], "tokens": 0, "cut": []}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(max_size=60), max_size=5))
def test_any_text(models: LocalModels, texts: list[str]) -> None:
    """Whatever the texts are, each has a vector of length one."""
    found = vectors(models, *texts)
    assert np.abs(np.linalg.norm(found.reshape(-1, 384), axis=1) - 1).max(initial=0) < 1e-5
    assert len(found) == len(texts)


def test_usage(models: LocalModels) -> None:
    """Word pieces are counted as the model sees them, both end marks among them, and what was cut is told."""
    reply = asyncio.run(sent(models, call("hello world", "", "a " * 300, truncate="end")))
    said = json.loads(reply.body)
    assert (said["tokens"], said["cut"]) == (4 + 2 + LIMIT, [2])


def test_too_long(models: LocalModels) -> None:
    """Without leave to cut, a text that is too long is refused by its count and the limit, and by no place of ours."""
    error = refused(asyncio.run(sent(models, call("short", "a " * 255, "b " * 998))))
    assert "takes 256 word pieces" in error
    assert "and 2 have at least 257;" in error
    assert "and one has 1000;" in refused(asyncio.run(sent(models, call("short", "b " * 998))))
    assert "input" not in error
    assert "[truncate] to [end]" in error
    assert vectors(models, "a " * 254).shape == (1, 384)


@pytest.mark.parametrize("name", ["missing", "", "../models", "/etc", ".partial", "a\nb"])
def test_not_installed(models: LocalModels, name: str) -> None:
    """A model that is not there is refused with what is there and how to get it, whatever its name."""
    error = refused(asyncio.run(sent(models, call("hello", model=name))))
    assert f"[{name}] is not installed (installed: {MODEL})" in error
    assert "`inferpoint models list`" in error
    assert "`inferpoint models import`" in error


def test_installed_later(tmp_path: Path, folder: Path, models: LocalModels) -> None:
    """A model that was missing is found once it is installed; nothing needs to be started again."""
    late = LocalModels(tmp_path / "later")
    assert "installed: none" in refused(asyncio.run(sent(late, call("hello"))))
    (tmp_path / "later").symlink_to(folder)
    assert np.array_equal(vectors(late, "hello"), vectors(models, "hello"))
    late.close()


def test_damaged(tmp_path: Path) -> None:
    """A model whose files are damaged is refused in one sentence."""
    place = tmp_path / "broken"
    place.mkdir()
    manifest = {"name": "broken", "dimensions": 1, "max_tokens": 1, "size": 1, "sha256": ""}
    (place / "model.json").write_text(json.dumps(manifest))
    (place / "tokenizer.json").write_text("{}")
    models = LocalModels(tmp_path)
    assert "[broken] cannot be loaded" in refused(asyncio.run(sent(models, call("hello", model="broken"))))
    models.close()


@pytest.mark.parametrize("library", ["onnxruntime", "tokenizers", "numpy"])
def test_extra_missing(models: LocalModels, monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    """Without one of the libraries of the extra, the error says which and what to install."""
    monkeypatch.setitem(sys.modules, library, None)
    error = refused(asyncio.run(sent(models, call("hello"))))
    assert f"[{library}] cannot be imported" in error
    assert "pip install 'inferpoint[local]'" in error


def test_nothing_imported_early() -> None:
    """The heavy libraries are not imported before a model is asked for."""
    heavy = "{'numpy', 'onnx', 'onnxruntime', 'tokenizers'}"
    program = f"import sys, inferpoint.local; sys.exit(sorted({heavy} & set(sys.modules)) or 0)"
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    "changed",
    [
        json_call("local:completion", {"model": MODEL, "inputs": []}),
        Call("local:text_embedding", b""),
        Call("local:text_embedding", b"\xff{"),
        call("a", num_threads=0),
        call("a", num_allocations=100_000),
        call("a", truncate="start"),
        json_call("local:text_embedding", {"model": MODEL, "inputs": [None]}),
    ],
    ids=["address", "empty", "binary", "threads", "allocations", "truncate", "inputs"],
)
def test_wrong_call(models: LocalModels, changed: Call) -> None:
    """A call that is not what is expected is refused in one sentence."""
    assert re.match(r"Local models do|The call to the local model", refused(asyncio.run(sent(models, changed))))


class Numbers:
    """A session that answers given numbers."""

    def __init__(self, numbers: Sequence[float]) -> None:
        self.numbers = np.array([numbers], dtype=np.float32)

    def run(self, _outputs: None, _inputs: Mapping[str, Array]) -> list[Array]:
        """The numbers, whatever is asked."""
        return [self.numbers]


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
@example(np.random.default_rng(3).normal(size=2_000).astype(np.float32).tolist())
def test_digits(numbers: list[float]) -> None:
    """Every 32-bit number is written as JSON in nine significant digits at the most, and reads back the same."""
    (text,) = Encoder(None, Numbers(numbers), LIMIT).vectors([Pieces(array("q", [2, 3]), 2)])
    assert np.array_equal(np.array(json.loads(text), dtype=np.float32), np.array(numbers, dtype=np.float32))
    digits = [re.sub(r"e.*|[-.]", "", number).lstrip("0") for number in text.decode().strip("[]").split(",")]
    assert max(map(len, digits)) <= 9


def test_not_a_number(models: LocalModels, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vector that holds no number is an error of the model's, never JSON that cannot be read."""
    asyncio.run(sent(models, call("load it")))
    plain, broken = Encoder.vectors, Encoder(None, Numbers([1.0, float("nan")]), LIMIT)

    def failing(_: Encoder, batch: Sequence[Pieces]) -> list[bytes]:
        return plain(broken, batch)

    monkeypatch.setattr(Encoder, "vectors", failing)
    reply = asyncio.run(sent(models, call("hello")))
    assert (reply.status, json.loads(reply.body)["error"][:16]) == (500, "The model failed")


@given(st.lists(st.integers(0, 300), max_size=80), st.integers(1, 600))
def test_plan(sizes: list[int], budget: int) -> None:
    """Every text is in exactly one batch, and only a text that is too large by itself goes over the budget."""
    batches = plan(sizes, budget)
    assert sorted(index for batch in batches for index in batch) == list(range(len(sizes)))
    assert all(len(batch) == 1 or len(batch) * max(sizes[index] for index in batch) <= budget for batch in batches)


def test_loop_keeps_turning(models: LocalModels) -> None:
    """While a model works through many texts the event loop goes on turning."""

    async def ticks() -> int:
        work = asyncio.create_task(embed(models, *[LONG] * 60))
        turns = 0
        while not work.done():
            await asyncio.sleep(0)
            turns += 1
        await work
        return turns

    assert asyncio.run(ticks()) > 2_000


class Watch:
    """Counts the batches that the model did, by the first word piece of each batch's first text."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, before: Callable[[], object] = lambda: None) -> None:
        self.seen: list[int] = []
        plain = Encoder.vectors

        def watched(encoder: Encoder, batch: Sequence[Pieces]) -> list[bytes]:
            self.seen.append(batch[0].ids[1])
            before()
            return plain(encoder, batch)

        monkeypatch.setattr(Encoder, "vectors", watched)


def test_small_before_large(models: LocalModels) -> None:
    """A text that comes while hundreds are being done does not wait for them."""

    async def race() -> bool:
        large = asyncio.create_task(embed(models, *[LONG] * 200))
        await embed(models, "first")
        await embed(models, "second")
        passed = not large.done()
        large.cancel()
        return passed

    assert asyncio.run(race())


def test_turns(models: LocalModels, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two calls of many batches take turns with the model."""
    vectors(models, "load it")
    watch = Watch(monkeypatch)

    async def both() -> None:
        await asyncio.gather(embed(models, *[f"one {LONG}"] * 40), embed(models, *[f"two {LONG}"] * 40))

    asyncio.run(both())
    one, two = Counter(watch.seen)
    changes = sum(before != after for before, after in zip(watch.seen, watch.seen[1:], strict=False))
    assert changes >= min(watch.seen.count(one), watch.seen.count(two))


def test_cancelled(models: LocalModels, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the caller leaves, the batch that is being done is the last."""
    vectors(models, "load it")
    started = threading.Event()
    watch = Watch(monkeypatch, started.set)

    async def leave() -> None:
        work = asyncio.create_task(embed(models, *[LONG] * 100))
        await asyncio.to_thread(started.wait)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        done = len(watch.seen)
        await embed(models, "after")
        assert len(watch.seen) == done + 1

    asyncio.run(leave())


def test_loaded_once(models: LocalModels, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many who ask for a model that is being loaded, or waits for it, share one load; one who leaves stops nobody."""
    loads: list[int] = []
    loading, go_on = threading.Event(), threading.Event()
    plain = local.load

    def slow(folder: Path, max_tokens: int, num_threads: int) -> Encoder:
        loads.append(num_threads)
        loading.set()
        assert go_on.wait(timeout=30)
        return plain(folder, max_tokens, num_threads)

    monkeypatch.setattr(local, "load", slow)

    async def crowd() -> None:
        tasks = [asyncio.create_task(embed(models, "hello", num_threads=1 + index % 2)) for index in range(20)]
        await asyncio.to_thread(loading.wait)
        assert "inputs" in refused(await sent(models, json_call("local:text_embedding", {"model": MODEL})))
        for impatient in tasks[:4]:
            impatient.cancel()
        go_on.set()
        await asyncio.gather(*tasks[4:])

    asyncio.run(crowd())
    assert sorted(loads) == [1, 2]


def test_allocations(models: LocalModels, monkeypatch: pytest.MonkeyPatch) -> None:
    """With two allocations two batches of one call are done at the same time, and the vectors are the same."""
    texts = [f"{LONG}{index}" for index in range(20)]
    alone = vectors(models, *texts)
    meeting = threading.Barrier(2, timeout=60)
    watch = Watch(monkeypatch, meeting.wait)
    assert np.abs(vectors(models, *texts, num_allocations=2) - alone).max() < 1e-5
    assert len(watch.seen) % 2 == 0


def test_closed(folder: Path, models: LocalModels) -> None:
    """Closing ends the threads that were started, and no others."""
    vectors(models, "hello")
    before = threading.enumerate()
    ours = LocalModels(folder)
    vectors(ours, "hello", num_allocations=2)
    started = [thread for thread in threading.enumerate() if thread not in before]
    ours.close()
    for thread in started:
        thread.join(timeout=30)
    assert started
    assert not any(thread.is_alive() for thread in started)
    vectors(models, "others go on")


def test_the_lengths_of_texts_are_told(models: LocalModels) -> None:
    """As parts of what the model takes, by its own tokenizer: more than 1 is what it would refuse."""
    ask = json_call("local:lengths", {"model": MODEL, "inputs": ["a " * 254, "a " * 255, "", "cats"]})
    reply = asyncio.run(sent(models, ask))
    assert json.loads(reply.body) == {"lengths": [1.0, 257 / 256, 2 / 256, 3 / 256]}
