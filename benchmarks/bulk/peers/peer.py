"""What each peer here is asked."""

import sys
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
