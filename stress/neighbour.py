"""A caller who asks for one embedding after the other until told to stop, and says then how long the longest took.

Run with a server's address and an endpoint's id; a text is new each time, so that no cache answers.
"""

from __future__ import annotations

import itertools
import signal
import sys
import time
from http.client import HTTPException
from threading import Event

from raw_http import ask

PAUSE = 0.01  # seconds; often enough to meet each stall, and no load


def main() -> None:
    url, inference_id = sys.argv[1:]
    over = Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    longest, refused = 0.0, 0
    print("asking", flush=True)
    for asked in itertools.count(1):
        begun = time.monotonic()
        try:
            answered = ask(url, "POST", f"/_inference/{inference_id}", {"input": [str(asked)]})
            refused += answered.status != 200
        except (OSError, HTTPException):
            refused += 1
        longest = max(longest, time.monotonic() - begun)
        if over.wait(PAUSE):
            print(f"longest {longest:.3f} asked {asked} refused {refused}", flush=True)
            return


if __name__ == "__main__":
    main()
