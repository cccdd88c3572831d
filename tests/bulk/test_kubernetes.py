"""The example of workers on Kubernetes says what the command line understands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from typer.testing import CliRunner

from inferpoint.cli import app

EXAMPLE = Path(__file__).parents[2] / "deploy/kubernetes/bulk-job.yaml"


def test_the_workers_command_is_one_that_is_understood() -> None:
    """Its options are known, so that only what it asks for is missing here: the server."""
    job: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text("utf-8"))
    assert (job["kind"], job["spec"]["completionMode"]) == ("Job", "Indexed")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    program, *arguments = container["command"]
    assert program == "inferpoint"
    result = CliRunner().invoke(app, [*arguments, "--help"])
    assert result.exit_code == 0, result.output
    names = {argument.partition("=")[0] for argument in arguments if argument.startswith("--")}
    for name in names:
        assert name in result.output, name
