"""Standard input as a source: kept in a file first, so that a job can be gone on with when its process is no more."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path
from typing import BinaryIO

from inferpoint.bulk.addresses import address
from inferpoint.bulk.sources.files import refuse_unknown

STDIN = "-"


def kept(written: str, folder: Path, stream: BinaryIO) -> str:
    """Where the source is: as *written*, or for `-` and `-?format=csv` a file in *folder* with what *stream* has.

    Without a format, that of JSON Lines. The file is called by what is in it, so the same content is the same source,
    and only its owner may read it.
    """
    if written.partition("?")[0] != STDIN:
        return written
    place = address(written)
    place.only("format")
    form = place.query.get("format", "jsonl")
    refuse_unknown(form)
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".stdin-{secrets.token_hex(8)}"
    try:
        digest = hashlib.sha256()
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            while content := stream.read(1 << 20):
                digest.update(content)
                file.write(content)
            file.flush()
            os.fsync(file.fileno())
        whole = folder.absolute() / f"stdin-{digest.hexdigest()[:16]}.{form}"
        if not whole.exists():
            part.replace(whole)
    finally:
        part.unlink(missing_ok=True)
    return str(whole)
