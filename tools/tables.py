"""Write the generated parts of the README anew: `make docs`. With --check only say whether they are up to date."""

from __future__ import annotations

import sys
from pathlib import Path

from inferpoint import services
from inferpoint.model.endpoint import TaskType

README = Path(__file__).parent.parent / "README.md"
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


if __name__ == "__main__":
    main()
