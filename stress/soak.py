"""Storm after storm at one server, for minutes: it may not grow.

Run as `make soak`, or `make soak MINUTES=60`.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path

from storm import storm

WARM = 3  # storms, after which all that is kept for ever has been met
MORE = 1.15  # of the memory when warm; what is freed is not all given back to the system


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--callers", type=int, default=200)
    parser.add_argument("--times", type=int, default=30)
    given = parser.parse_args()
    sizes: list[int] = []
    with tempfile.TemporaryDirectory() as folder, storm(Path(folder)) as target:
        end = time.monotonic() + given.minutes * 60
        while len(sizes) <= WARM or time.monotonic() < end:
            seed = random.randrange(10**6)
            done = target.rages(given.callers, given.times, seed)
            sizes.append(target.watched.megabytes())
            print(f"seed {seed}: {done} done; {sizes[-1]} MB, {target.watched.files()} files open", flush=True)
        assert sizes[-1] <= sizes[WARM - 1] * MORE, f"grew from {sizes[WARM - 1]} to {sizes[-1]} MB"


if __name__ == "__main__":
    main()
