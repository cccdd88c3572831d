"""Import time, time from start to the first answer, idle memory: medians of several runs.

Run as `.venv/bin/python benchmarks/start.py`. Times are seconds of the wall clock, memory is resident megabytes.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.request import urlopen

RUNS = 5
IDLE_SECONDS = 1.0


def import_seconds() -> float:
    measured = "import time; began = time.perf_counter(); import inferpoint; print(time.perf_counter() - began)"
    return float(subprocess.run([sys.executable, "-c", measured], capture_output=True, check=True, text=True).stdout)


def start(data: str) -> tuple[float, float]:
    """Seconds to the first 200, and megabytes after a second of rest."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "inferpoint", "serve", "--port", "0", "--data-dir", data]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        address = re.search(r"http://\S+:\d+", server.stderr.readline())
        assert address is not None
        with urlopen(f"{address[0]}/livez") as answer:
            assert answer.status == 200
        seconds = time.perf_counter() - began
        time.sleep(IDLE_SECONDS)
        status = Path(f"/proc/{server.pid}/status").read_text("ascii")
        resident = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert resident is not None
        server.terminate()
    return seconds, int(resident[1]) / 1024


def main() -> None:
    with tempfile.TemporaryDirectory() as data:
        start(data)  # makes the schema, once in a folder's life
        starts = [start(data) for _ in range(RUNS)]
    imports = [import_seconds() for _ in range(RUNS)]
    print(f"import inferpoint          {statistics.median(imports):.3f} s")
    print(f"cold start to first answer {statistics.median(seconds for seconds, _ in starts):.2f} s")
    print(f"idle memory                {statistics.median(size for _, size in starts):.0f} MB")


if __name__ == "__main__":
    main()
