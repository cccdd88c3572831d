"""Write the generated parts of the README and of docs/ anew: `make docs`. With --check only say whether the README is.

The table of clients is written from what the tests found when they ran last, and left as it is where they did not.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

from inferpoint import services
from inferpoint.model.endpoint import TaskType

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
BEGIN, END = "<!-- services: written by `make docs` -->\n", "<!-- /services -->"


def service_table() -> str:
    """Services by tasks, with the tasks that no service does left out."""
    found = [services.find(name) for name in services.names()]
    kinds = [kind for kind in TaskType if any(kind in service.tasks for service in found)]
    lines = ["| service | " + " | ".join(kinds) + " |", "|---" * (len(kinds) + 1) + "|"]
    for service in found:
        tasks = (service.tasks.get(kind) for kind in kinds)
        marks = ("" if task is None else "~" if task.reader else "·" for task in tasks)
        lines.append(f"| `{service.name}` | " + " | ".join(marks) + " |")
    return "\n".join(lines) + "\n"


def written(text: str) -> str:
    """The README with its tables as they are now."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return before + BEGIN + service_table() + END + after


def main() -> None:
    """Write, or check."""
    text = README.read_text("utf-8")
    if "--check" in sys.argv:
        sys.exit(None if written(text) == text else "README.md is behind: run `make docs`")
    README.write_text(written(text), "utf-8")
    _write_clients()


def _write_clients() -> None:
    sys.path += [str(ROOT / "tests/clients"), str(ROOT / "tests/e2e")]
    real_clients = importlib.import_module("real_clients")
    if real_clients.FOUND.exists():
        found = json.loads(real_clients.FOUND.read_text("utf-8"))
        text = real_clients.written(real_clients.DOCUMENT.read_text("utf-8"), found)
        real_clients.DOCUMENT.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
