"""How often Python looks for objects in cycles."""

from __future__ import annotations

import gc


def settle() -> None:
    """Once a program has what it works with: what is there now stays, and what comes is looked through less often.

    Looking through all of it again and again cost a tenth of a request, and of a bulk job.
    """
    gc.freeze()
    gc.set_threshold(10_000)
