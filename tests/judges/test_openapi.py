"""The OpenAPI document, by those who know OpenAPI: a validator, and schemathesis, who also asks a server by it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from conformance import SAMPLE, asked
from described import document
from real_processes import ROOT


def test_the_document_is_openapi(tmp_path: Path) -> None:
    """openapi-spec-validator finds nothing wrong."""
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(document()))
    program = ROOT / ".venvs/schemathesis/bin/openapi-spec-validator"
    done = subprocess.run([str(program), str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_server_does_what_the_document_says(tmp_path: Path) -> None:
    """A few hundred requests of schemathesis, always the same; `make schemathesis` makes many thousands, and others."""
    found = asked(tmp_path, SAMPLE, 4, seed=1)
    assert found.failures == ""
    assert found.undone == []
    assert found.requests > 250
