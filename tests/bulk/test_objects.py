from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest
from objects_promised import Promises

from inferpoint.bulk import objects
from inferpoint.bulk.addresses import address
from inferpoint.errors import InferenceError, Kind


class TestFolder(Promises):
    @pytest.fixture
    def place(self, tmp_path: Path) -> objects.Objects:
        return objects.at(address(str(tmp_path / "not" / "yet")))


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk the object is as it was, and no temporary file stays."""
    folder = objects.Folder(tmp_path)
    folder.write("a", b"before")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InferenceError, match="No space left") as raised:
        folder.write("a", b"after")
    assert raised.value.kind is Kind.OVERLOADED
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"before"


def test_what_is_written_is_synced_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is on the disk before its name is, and its name before the write ends, with the folders it is in."""
    synced: list[tuple[Path, bool]] = []

    def watched(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").resolve()
        synced.append((path.relative_to(tmp_path), (tmp_path / "a/b/c").exists()))

    monkeypatch.setattr(os, "fsync", watched)
    objects.Folder(tmp_path).write("a/b/c", b"x")
    *folders, (file, named), last = synced
    assert folders == [(Path(), False), (Path("a"), False)]
    assert file.parent == Path("a/b")
    assert not named
    assert last == (Path("a/b"), True)


def test_without_obstore_a_bucket_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Folders need nothing."""
    monkeypatch.setitem(sys.modules, "obstore", None)
    objects.at(address(f"file://{tmp_path}")).write("a", b"x")
    with pytest.raises(InferenceError, match=r"pip install 'inferpoint\[bulk\]'") as raised:
        objects.at(address("s3://bucket/x"))
    assert raised.value.kind is Kind.UNSUPPORTED


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("ftp://host/x", r"\[ftp://host/x\] is no place of objects.*s3://, gs:// or az://"),
        ("s3://me@bucket/x", "must not name a user: keys of s3:// are taken from the environment"),
    ],
)
def test_what_is_no_place_is_refused(written: str, problem: str) -> None:
    """The refusal says what is one."""
    with pytest.raises(InferenceError, match=problem):
        objects.at(address(written))


def test_a_cloud_without_an_account_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, and not as something that may go well another time."""
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(InferenceError, match=r"^\[az://container/x\]: .*Account must be specified") as raised:
        objects.at(address("az://container/x"))
    assert raised.value.kind is Kind.INVALID
