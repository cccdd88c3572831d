from __future__ import annotations

import subprocess
import sys

TOLD = """
import ctypes, resource, sys
from inferpoint.workers.dumps import forbid_core_dumps
forbid_core_dumps()
readable = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) if sys.platform == "linux" else 0  # PR_GET_DUMPABLE
print(*resource.getrlimit(resource.RLIMIT_CORE), readable)
"""


def test_a_server_leaves_no_core_dump() -> None:
    """No file may be as long, no limit can be raised again, and no other process of the user may read the memory."""
    done = subprocess.run([sys.executable, "-c", TOLD], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "0", "0"]
