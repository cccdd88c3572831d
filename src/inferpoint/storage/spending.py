"""What callers have used of their budgets, at rest: one small file, written anew by the one process that counts.

No database, for a supervisor carries none: a line of JSON for each caller and period.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.budgets import Spent
from inferpoint.storage.folder import make_private_file

SPENDING = "spending.jsonl"
_MONTH = len("2026-11")


class SpendingFile:
    """The file in *folder*, written in a thread of its own; what cannot be written is told to *failed* and tried again.

    What was written outlives the process, however that ends. `INTERNAL` when the file cannot be read.
    """

    def __init__(self, folder: Path, failed: Callable[[str], None]) -> None:
        self._path = folder / SPENDING
        self._failed = failed
        try:
            make_private_file(self._path)
            self._spent = msgspec.json.Decoder(Spent).decode_lines(self._path.read_bytes())
        except (msgspec.MsgspecError, OSError) as error:
            what = "What keys have used of their budgets cannot be read"
            problem = f"{what}: {error}; without {self._path} all begin anew"
            raise InferenceError(Kind.INTERNAL, problem) from None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spending")

    def spent(self) -> Sequence[Spent]:
        """What has been used as far as it was told."""
        return self._spent

    def keep(self, spent: Sequence[Spent]) -> None:
        """Have what was *spent* written, in place of what was told of the same callers and periods before."""
        self._thread.submit(self._keep, spent)

    def close(self) -> None:
        """Finish what is being written."""
        self._thread.shutdown()

    def _keep(self, spent: Sequence[Spent]) -> None:
        """Write all that is of the latest month, so that the file is always whole."""
        rows = {(row.caller, row.period): row for row in (*self._spent, *spent)}
        month = max(period for _, period in rows)[:_MONTH]
        self._spent = [row for row in rows.values() if row.period >= month]
        whole = self._path.with_suffix(".new")
        try:
            make_private_file(whole)
            with whole.open("wb") as file:
                file.write(msgspec.json.Encoder().encode_lines(self._spent))
                file.flush()
                os.fsync(file.fileno())
            whole.replace(self._path)
        except OSError as error:
            self._failed(f"What keys have used of their budgets cannot be written: {error}")
