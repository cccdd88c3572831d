"""Make `cl100k.zlib`, the bytes of each token of OpenAI's numbering `cl100k_base`.

Run it with the file that OpenAI publishes for tiktoken, which is known by its hash::

    python tools/tokens/make_table.py cl100k_base.tiktoken

The table is a byte for each token, its length, and then the tokens' bytes one after the other; compressed.
"""

from __future__ import annotations

import base64
import hashlib
import sys
import zlib
from pathlib import Path

TABLE = Path(__file__).parents[2] / "src" / "inferpoint" / "local" / "cl100k.zlib"
SHA256 = "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"


def main() -> None:
    """Write the table."""
    published = Path(sys.argv[1]).read_bytes()
    assert hashlib.sha256(published).hexdigest() == SHA256, "this is not the table of cl100k_base"
    rows = [line.split() for line in published.splitlines()]
    assert [int(number) for _, number in rows] == list(range(len(rows)))
    tokens = [base64.b64decode(token) for token, _ in rows]
    TABLE.write_bytes(zlib.compress(bytes(map(len, tokens)) + b"".join(tokens), 9))


if __name__ == "__main__":
    main()
