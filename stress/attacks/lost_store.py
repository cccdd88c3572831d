"""Somebody removes, empties, replaces and damages the store of a running server, and then its lock."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from raw_http import ask
from real_processes import environ, run, serving
from victim import NEIGHBOUR, Victim

PATH = "/_inference/text_embedding/{}?skip_validation=true"
CONFIG = {"service": "hugging_face", "service_settings": {"api_key": "made-up", "url": "http://127.0.0.1:1/"}}


def attack(victim: Victim) -> None:
    folder = victim.server.data_dir
    store, aside = folder / "inferpoint.db", victim.home / "aside.db"
    _copy_is_whole(store, victim.home / "copy.db")
    shutil.copy(store, aside)
    for number, harm in enumerate((_empty, _damage, _remove)):
        harm(store)
        refused = ask(victim.url, "PUT", PATH.format(f"lost-{number}"), CONFIG)
        assert refused.status == 500, refused.body
        assert b"inferpoint.db" in refused.body or b"database" in refused.body, refused.body
        assert ask(victim.url, "GET", f"/_inference/lost-{number}").status == 404
        assert ask(victim.url, "GET", f"/_inference/{NEIGHBOUR}").status == 200  # what is in memory is served on
        if harm is not _remove:
            store.write_bytes(aside.read_bytes())
            assert ask(victim.url, "PUT", PATH.format(f"kept-{number}"), CONFIG).status == 200
            aside.write_bytes(store.read_bytes())
    (folder / "inferpoint.lock").unlink()
    second = run(serving(folder), environ(victim.home))
    assert second.returncode == 1
    assert second.stderr == f"inferpoint: The data folder {folder} is in use by another process\n"


def _copy_is_whole(store: Path, copy: Path) -> None:
    shutil.copy(store, copy)
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT inference_id FROM endpoints").fetchall() == [(NEIGHBOUR,)]


def _empty(store: Path) -> None:
    store.write_bytes(b"")


def _damage(store: Path) -> None:
    whole = store.read_bytes()
    store.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))


def _remove(store: Path) -> None:
    store.unlink()
