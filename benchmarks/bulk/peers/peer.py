"""What each peer here is asked, and how long its work took once it was imported."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Asked:
    """Documents of a Parquet file, to be embedded at an address and written to a folder."""

    source: str
    url: str
    folder: str

    @property
    def file(self) -> str:
        """One file in the folder, for those who write one."""
        return f"{self.folder}/all.parquet"


asked = Asked(*sys.argv[1:4])


@contextmanager
def timed() -> Iterator[None]:
    """Say how many seconds the block takes."""
    began = time.perf_counter()
    yield
    print(json.dumps({"seconds": time.perf_counter() - began}))
