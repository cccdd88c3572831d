import os
import subprocess
import sys

LOAD = """
from pathlib import Path
from inferpoint.errors import InferenceError
from inferpoint.local.encoder import load
try:
    load(Path("nothing"), 256, 1)
except InferenceError:
    import onnxruntime
"""


def test_onnxruntime_keeps_no_record_of_its_use(tmp_path):
    """Its reporting begins at import, with files in the temporary and the home folder."""
    watching = ("ORT_DISABLE_TELEMETRY", "CI")
    environment = {name: value for name, value in os.environ.items() if name not in watching}
    places = {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", LOAD], env={**environment, **places}, check=True)
    assert not list(tmp_path.iterdir())
