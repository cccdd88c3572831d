from __future__ import annotations

import io
import os
import stat
import sys
from pathlib import Path

import pytest
from reading import TEXT, read, texts

from inferpoint.bulk.sources.opening import opened
from inferpoint.errors import InferenceError, Kind

LINE = '"{}"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files in folders, some of which are for others."""
    for name in ("a.jsonl", "b.JSONL", "sub/c.ndjson", "sub/deep/d.jsonl", "e[1].jsonl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(LINE.format(name))
    for name in ("_SUCCESS", ".a.jsonl.crc", "_temporary/x.jsonl", ".git/x.jsonl", "sub/_x.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("not for us")
    return tmp_path


ALL = ["a.jsonl", "b.JSONL", "e[1].jsonl", "sub/c.ndjson", "sub/deep/d.jsonl"]


@pytest.mark.parametrize(
    ("address", "names"),
    [
        ("", ALL),
        ("/", ALL),
        ("/a.jsonl", ["a.jsonl"]),
        ("/e[1].jsonl", ["e[1].jsonl"]),
        ("/*.jsonl", ["a.jsonl", "e[1].jsonl"]),
        ("/?.jsonl", ["a.jsonl"]),
        ("/[ab].*", ["a.jsonl", "b.JSONL"]),
        ("/[!a].*", ["b.JSONL"]),
        ("/**/*.jsonl", ["a.jsonl", "e[1].jsonl", "sub/_x.jsonl", "sub/deep/d.jsonl", "_temporary/x.jsonl"]),
        ("/sub/**", ["c.ndjson", "deep/d.jsonl", "_x.jsonl"]),
        ("/sub/*/*.jsonl", ["deep/d.jsonl"]),
        ("/s*/c.ndjson", ["sub/c.ndjson"]),
        ("/a.jsonl?format=jsonl", ["a.jsonl"]),
    ],
)
def test_an_address_names_files(folder: Path, address: str, names: list[str]) -> None:
    """One, all of a folder that are not for others, or those of a pattern, as paths and as URLs."""
    for written in (f"{folder}{address}", f"file://{folder}{address}"):
        assert list(opened(written, TEXT).fingerprints()) == sorted(names)


def test_every_file_is_read(folder: Path) -> None:
    """In the order of their names, also more than are kept open, and what a link leads to once."""
    assert texts(folder) == ALL
    for number in range(20):
        (folder / f"z{number:02d}.jsonl").write_text(LINE.format(number))
    (folder / "sub/again").symlink_to(folder)
    (folder / "sub/deep/here").symlink_to(folder / "sub/deep")
    (folder / "zz.jsonl").symlink_to(folder / "a.jsonl")
    read_once = texts(folder)
    assert len(read_once) == len(set(read_once)) + 1 == 26


@pytest.mark.parametrize(
    ("address", "kind", "problem"),
    [
        ("/nothing.jsonl", Kind.NOT_FOUND, r"\[.*/nothing.jsonl\] names no file that is there"),
        ("/*.csv", Kind.NOT_FOUND, r"/\*.csv\] names no file that is there"),
        ("/sub/none/", Kind.NOT_FOUND, "names no file that is there"),
        ("/_SUCCESS", Kind.INVALID, r"\[_SUCCESS\] ends in no format that is known: jsonl, ndjson, csv, tsv, parquet"),
        ("/a.jsonl?format=xml", Kind.INVALID, r"\[xml\] ends in no format that is known"),
        ("/a.jsonl?form=csv", Kind.INVALID, r"has a parameter \[form\], which is not known; known is \[format\]"),
    ],
)
def test_what_names_no_file_is_told(folder: Path, address: str, kind: Kind, problem: str) -> None:
    """With what would be right."""
    with pytest.raises(InferenceError, match=problem) as raised:
        opened(f"{folder}{address}", TEXT)
    assert raised.value.kind is kind


@pytest.mark.parametrize(("address", "allowed"), [("ftp://host/x.jsonl", "or az://"), ("-", "a folder to keep it in")])
def test_what_is_no_source_is_told(address: str, allowed: str) -> None:
    """With what is one."""
    with pytest.raises(InferenceError, match=allowed):
        opened(address, TEXT)


def test_a_folder_that_may_not_be_read_is_no_empty_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in it would be left out of the job."""
    listed = os.scandir

    def refused(path: str) -> object:
        if Path(path).name == "sub":
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(InferenceError, match="Permission denied") as raised:
        opened(str(folder), TEXT)
    assert raised.value.kind is Kind.FORBIDDEN


def test_a_format_may_be_said_where_a_name_tells_none(tmp_path: Path) -> None:
    """Also that it is compressed; of all files of a folder."""
    (tmp_path / "a").write_text("text\none\n")
    (tmp_path / "b.jsonl").write_text("text\ntwo\n")
    assert texts(f"{tmp_path}?format=csv") == ["one", "two"]


def test_standard_input_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only its owner may read it; whoever goes on with the job reads what was kept, and not standard input."""
    given = io.BytesIO(b'"one"\n"two"')
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(given))
    source = opened("-", TEXT, tmp_path / "job")
    assert [item.text for span in source.spans(1) for item in source.read(span)] == ["one", "two"]
    again = opened("-", TEXT, tmp_path / "job")
    assert again.fingerprints() == source.fingerprints()
    (kept,) = (tmp_path / "job").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert read(f"{kept}?format=jsonl", TEXT)[1].text == "two"


def test_standard_input_that_breaks_off_is_not_taken_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came of it before is no source, and standard input is read the next time."""

    class Breaking(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: bytearray) -> int:
            raise InterruptedError

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(Breaking())))
    with pytest.raises(InterruptedError):
        opened("-", TEXT, tmp_path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"text\nwhole\n")))
    source = opened("-?format=csv", TEXT, tmp_path)
    assert [item.text for span in source.spans(1) for item in source.read(span)] == ["whole"]


def test_a_format_that_nobody_knows_is_told_before_standard_input_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for it learns so at once."""
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InferenceError, match=r"\[xml\] ends in no format that is known"):
        opened("-?format=xml", TEXT, tmp_path)


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.jsonl.zst"])
def test_without_pyarrow_its_formats_say_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Texts need nothing."""
    for module in ("pyarrow", "pyarrow.parquet", "pyarrow.ipc"):
        monkeypatch.setitem(sys.modules, module, None)
    (tmp_path / name).write_bytes(b"ARROW1")
    (tmp_path / "b.csv").write_text("text\none\n")
    assert texts(tmp_path / "b.csv") == ["one"]
    with pytest.raises(InferenceError, match=r"pip install 'inferpoint\[bulk\]'") as raised:
        list(opened(str(tmp_path / name), TEXT).spans(1))
    assert raised.value.kind is Kind.UNSUPPORTED


def test_a_secret_in_an_address_is_refused() -> None:
    """Before anything is opened."""
    with pytest.raises(InferenceError, match=r"^The password must not be written into an address") as raised:
        opened("https://elastic:hunter2@host:9200/index", TEXT)
    assert "hunter2" not in str(raised.value)
