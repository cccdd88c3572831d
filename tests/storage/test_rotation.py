from __future__ import annotations

import base64
import contextlib
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from world import EMBEDDING, World, openai

from inferpoint.endpoints.directory import Endpoints
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.requests import ANONYMOUS
from inferpoint.storage import rotation
from inferpoint.storage.changes import Changes
from inferpoint.storage.key_ring import KEY_FILE, VARIABLE, KeyRing, key_ring
from inferpoint.storage.store import Store, opened
from inferpoint.storage.vault import Vault

SECRETS = {"a": "sk-canary-a", "b": "sk-canary-b"}


@pytest.fixture
def home(tmp_path: Path) -> World:
    """A world in a folder with a key of its own, two endpoints and a credential."""
    world = at(World(folder=tmp_path), tmp_path)
    for inference_id, secret in SECRETS.items():
        world.create(inference_id, EMBEDDING, openai({"api_key": secret}))
    world.run(world.engine.credentials.put(ANONYMOUS, "main", {"value": "sk-canary-main"}))
    return world


def at(world: World, folder: Path) -> World:
    """*world* with the keys of its folder, seeing what other worlds on it write."""
    ring = key_ring(folder, {}, sealed=(folder / KEY_FILE).exists())
    endpoints = Endpoints(world.store, Vault(ring=ring), Changes(folder))
    world.endpoints = world.engine._endpoints = endpoints
    world.engine.lifecycle._endpoints = world.engine.credentials._endpoints = endpoints
    world.run(endpoints.load())
    return world


def keys(folder: Path) -> list[str]:
    return (folder / KEY_FILE).read_text("ascii").split()


def sealed_by(folder: Path) -> set[str]:
    """The ids of all keys by which something in the store is sealed."""
    with contextlib.closing(sqlite3.connect(folder / "inferpoint.db")) as connection:
        rows = connection.execute("SELECT secrets FROM endpoints").fetchall()
        texts = [text for (row,) in rows for text in json.loads(row).values()]
        texts += [text for (text,) in connection.execute("SELECT secret FROM credentials")]
    return {text.partition(".")[0] for text in texts}


def opens(folder: Path) -> None:
    """All that was stored is there for whoever starts anew."""
    world = at(World(folder=folder), folder)
    found = {one.endpoint.inference_id: one.endpoint.settings.api_key for one in world.endpoints.all()}
    assert found == SECRETS
    assert str(world.endpoints.credentials["main"]) == "sk-canary-main"
    world.store.close()


def test_a_rotation_leaves_nothing_under_the_old_key(home: World, tmp_path: Path) -> None:
    """There is one key, a new one; everything is sealed by it, and opens after a start."""
    (before,) = keys(tmp_path)
    old = home.endpoints.vault.key_id
    done = home.run(home.engine.credentials.rotate(ANONYMOUS))
    assert (done.resealed, list(done.retired)) == (3, [old])
    (after,) = keys(tmp_path)
    assert after != before
    assert sealed_by(tmp_path) == {done.key_id} != {old}
    assert oct((tmp_path / KEY_FILE).stat().st_mode)[-3:] == "600"
    home.infer("a", "x")
    home.store.close()
    opens(tmp_path)


class KilledError(BaseException):
    """The process ends here."""


def dies(*_: object) -> None:
    raise KilledError


@pytest.mark.parametrize("step", ["_reseal", "end_rotation", "retire"])
def test_a_rotation_that_was_killed_is_finished(
    home: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Wherever it ends, the store opens with the keys that are there, and the next start leaves one key."""
    owner: object = {"_reseal": rotation, "end_rotation": Vault, "retire": KeyRing}[step]
    with monkeypatch.context() as patched:
        patched.setattr(owner, step, dies)
        with pytest.raises(KilledError):
            home.run(rotation.rotate(home.store, home.endpoints.vault))
    home.store.close()
    assert len(keys(tmp_path)) == 2
    begun = keys(tmp_path)[0]
    opens(tmp_path)
    assert keys(tmp_path) == [begun]
    assert len(sealed_by(tmp_path)) == 1


def test_a_rotation_that_failed_goes_on_with_its_key(
    home: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for again under the same server, no third key is made."""

    def full(*_: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(rotation, "_reseal", full)
        with pytest.raises(InferenceError, match="Failed to seal the secrets anew: the disk is full"):
            home.run(home.engine.credentials.rotate(ANONYMOUS))
    begun = keys(tmp_path)[0]
    home.create("c", EMBEDDING, openai({"api_key": "sk-canary-c"}))
    home.run(home.engine.credentials.rotate(ANONYMOUS))
    assert keys(tmp_path) == [begun]
    assert len(sealed_by(tmp_path)) == 1
    home.store.close()


def test_what_another_worker_writes_meanwhile_is_sealed_by_the_new_key(home: World, tmp_path: Path) -> None:
    """A worker that knows nothing of the rotation yet loses nothing, and reads what others seal."""
    other = at(World(folder=tmp_path), tmp_path)
    home.run(home.engine.credentials.rotate(ANONYMOUS))
    other.create("c", EMBEDDING, openai({"api_key": "sk-canary-c"}))
    assert sealed_by(tmp_path) == {home.endpoints.vault.key_id}
    home.run(home.endpoints.refresh())
    assert home.endpoints.find("c").endpoint.settings.api_key == "sk-canary-c"
    home.create("d", EMBEDDING, openai({"api_key": "sk-canary-d"}))
    other.run(other.endpoints.refresh())
    assert other.endpoints.find("d").endpoint.settings.api_key == "sk-canary-d"
    for world in (home, other):
        world.store.close()


def test_a_row_that_does_not_open_keeps_none_from_a_new_key(home: World, tmp_path: Path) -> None:
    """What was moved or changed is left as it is."""
    rows = home.run(home.store.all())
    with contextlib.closing(sqlite3.connect(tmp_path / "inferpoint.db")) as connection:
        connection.execute("UPDATE endpoints SET secrets = ? WHERE inference_id = 'b'", (json.dumps(rows[0].secrets),))
        connection.commit()
    done = home.run(home.engine.credentials.rotate(ANONYMOUS))
    assert done.resealed == 2
    assert home.run(home.store.all())[1].secrets == rows[0].secrets
    home.store.close()


def given(keys: list[bytes]) -> str:
    return "\n".join(base64.b64encode(key).decode() for key in keys)


OLD, NEW = bytes(range(32)), bytes(range(1, 33))


def of_variable(_folder: Path, keys: list[bytes]) -> dict[str, str]:
    return {VARIABLE: given(keys).replace("\n", " ")}


def of_file(folder: Path, keys: list[bytes]) -> dict[str, str]:
    named = folder / "named"
    named.write_text(given(keys))
    named.chmod(0o600)
    return {"INFERPOINT_SECRET_KEY_FILE": str(named)}


@pytest.mark.parametrize("source", [of_variable, of_file])
def test_keys_that_are_given_rotate_by_their_order(
    tmp_path: Path, source: Callable[[Path, list[bytes]], dict[str, str]]
) -> None:
    """The first seals all that is there at the next start, and the others can be taken away then."""

    def starting(*keys: bytes) -> Store:
        store = opened(tmp_path)
        ring = key_ring(tmp_path, source(tmp_path, list(keys)), sealed=True)
        endpoints = Endpoints(store, Vault(ring=ring))
        world.endpoints, world.store = endpoints, store
        world.run(endpoints.load())
        return store

    world = World(folder=tmp_path)
    world.create("a", EMBEDDING, openai({"api_key": "sk-canary-a"}))
    world.store.close()
    kept = starting(OLD)
    with pytest.raises(InferenceError, match="nobody can put another but you") as caught:
        world.run(rotation.rotate(kept, world.endpoints.vault))
    assert caught.value.kind is Kind.INVALID
    kept.close()
    starting(NEW, OLD).close()
    kept = starting(NEW)
    assert world.endpoints.find("a").endpoint.settings.api_key == "sk-canary-a"
    kept.close()
    assert not (tmp_path / KEY_FILE).exists()
