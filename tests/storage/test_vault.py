from __future__ import annotations

import base64
import errno
import os
import stat
from pathlib import Path
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferpoint.errors import InferenceError, Kind
from inferpoint.storage.key_ring import FILE_VARIABLE, KEY_FILE, VARIABLE, key_ring
from inferpoint.storage.vault import Vault

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
VAULT = Vault(KEY)
TEXT = base64.b64encode(KEY).decode()


@given(st.text(st.characters()), st.text(st.characters(exclude_categories=["Cs"])))
def test_what_was_sealed_opens_at_its_place(text: str, place: str) -> None:
    """Any text comes back, also one that is no Unicode, and is never seen in what is stored."""
    sealed = VAULT.seal(text, place)
    assert VAULT.open(sealed, place) == text
    assert sealed.isascii()
    assert len(text) < 4 or text not in sealed


def test_nothing_is_sealed_alike_twice() -> None:
    """Equal secrets cannot be told by what is stored."""
    assert VAULT.seal("a", "p") != VAULT.seal("a", "p")


def test_another_key_is_named_and_so_is_ours() -> None:
    """A wrong key says which key it is, which it should be and how to give it, and none of the keys."""
    sealed = VAULT.seal("canary", "p")
    with pytest.raises(InferenceError) as caught:
        Vault(OTHER).open(sealed, "p")
    said = str(caught.value)
    assert caught.value.kind is Kind.INTERNAL
    assert VAULT.key_id in said
    assert Vault(OTHER).key_id in said
    assert VARIABLE in said
    assert "canary" not in said
    assert TEXT not in said


def test_a_text_that_was_moved_stays_shut() -> None:
    """What was sealed for one endpoint's setting does not open for another's."""
    with pytest.raises(InferenceError, match=r"\[b/api_key\] was changed or moved"):
        VAULT.open(VAULT.seal("canary", "a/api_key"), "b/api_key")


def test_a_text_that_was_changed_stays_shut() -> None:
    """No byte of a sealed text can change, nor any be missing, without it being an error of ours."""
    sealed = VAULT.seal("canary", "p")
    prefix = len(VAULT.key_id) + 1
    broken = [
        sealed[:at] + ("A" if sealed[at] != "A" else "B") + sealed[at + 1 :] for at in range(prefix, len(sealed) - 4)
    ]
    broken += [sealed[:at] for at in range(prefix, len(sealed))] + ["", ".", "x", sealed + "ü", sealed + "\n"]
    for text in broken:
        with pytest.raises(InferenceError):
            VAULT.open(text, "p")


def test_a_folder_gets_one_key_of_its_own_that_nobody_else_reads(tmp_path: Path) -> None:
    """Without a key in the environment one is made, once, in a file of mode 0600."""
    (first,) = key_ring(tmp_path, {}, sealed=False).keys
    assert len(first) == 32
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]
    assert key_ring(tmp_path, {}, sealed=True).keys == (first,)


def test_a_key_that_cannot_be_kept_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is told, and no half of a key is left; what a killed process left is in nobody's way."""
    (tmp_path / f"secret.{os.getpid()}").touch()
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", Mock(side_effect=OSError(errno.ENOSPC, "No space left on device")))
        with pytest.raises(InferenceError, match=r"cannot be kept in .*secret.key: No space left on device"):
            key_ring(tmp_path, {}, sealed=False)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / f"secret.{os.getpid()}").touch(0o644)
    key_ring(tmp_path, {}, sealed=False)
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600


def test_the_environment_goes_before_a_file_and_a_file_before_the_folder(tmp_path: Path) -> None:
    """The key is taken from the variable, then from the file that the other variable names, then from the folder."""
    named = tmp_path / "named"
    named.write_text(base64.b64encode(OTHER).decode() + "\n")
    named.chmod(0o600)
    both = {VARIABLE: f" {TEXT}\n", FILE_VARIABLE: str(named)}
    assert key_ring(tmp_path, both, sealed=True).keys == (KEY,)
    assert key_ring(tmp_path, {VARIABLE: "", FILE_VARIABLE: str(named)}, sealed=True).keys == (OTHER,)
    assert not (tmp_path / KEY_FILE).exists()


@pytest.mark.parametrize("text", ["!", "ü", "YQ==", TEXT[:-4], TEXT + TEXT, "=", "é" * 44])
def test_a_key_that_is_none_is_said_without_being_shown(tmp_path: Path, text: str) -> None:
    """Broken base64 or the wrong length is one sentence that names where it came from."""
    with pytest.raises(InferenceError, match=VARIABLE) as caught:
        key_ring(tmp_path, {VARIABLE: text}, sealed=False)
    assert caught.value.kind is Kind.INVALID
    assert str(caught.value) == f"The secret key in {VARIABLE} is not 32 bytes in base64"


def test_a_key_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A missing file, a folder or a binary is one sentence with its name."""
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    binary.chmod(0o600)
    for path in (tmp_path / "none", tmp_path, binary):
        with pytest.raises(InferenceError, match=f"{path} cannot be read"):
            key_ring(tmp_path, {FILE_VARIABLE: str(path)}, sealed=False)


def test_no_new_key_is_made_for_secrets_that_are_sealed_already(tmp_path: Path) -> None:
    """A lost key is an error: a new one would shut the stored secrets for ever."""
    with pytest.raises(InferenceError, match="The secret key is missing"):
        key_ring(tmp_path, {}, sealed=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o666, 0o620])
@pytest.mark.parametrize("own", [True, False], ids=["the folder's", "one that is named"])
def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path, mode: int, *, own: bool) -> None:
    """With its name and mode, and what to do; once it is its owner's alone it is taken."""
    path = tmp_path / (KEY_FILE if own else "named")
    path.write_text(TEXT)
    path.chmod(mode)
    environ = {} if own else {FILE_VARIABLE: str(path)}
    with pytest.raises(InferenceError) as caught:
        key_ring(tmp_path, environ, sealed=True)
    assert str(caught.value) == (
        f"The secret key file {path} can be read by others, for its mode is {mode:04o}: `chmod 600` it"
    )
    path.chmod(0o400)
    assert key_ring(tmp_path, environ, sealed=True).keys == (KEY,)


@pytest.mark.parametrize("umask", [0, 0o777], ids=oct)
def test_a_key_is_its_owners_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    """The mode does not depend on who starts the server."""
    before = os.umask(umask)
    try:
        key_ring(tmp_path, {}, sealed=False)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
