"""Write the generated parts of the README and of docs/ anew: `make docs`. With --check only say whether they are new.

The tables of clients and agents are written from what the tests found when they ran last, and left as they are where
they did not.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

import chat_fields
from service_pages import page

from inferpoint import services
from inferpoint.config import Config
from inferpoint.configuration.schema import schema
from inferpoint.model.endpoint import TaskType
from inferpoint.outbound.breaker import TRANSITIONS

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
ARCHITECTURE = ROOT / "docs/architecture.md"
COMPATIBILITY = ROOT / "docs/compatibility.md"
PAGES, RECORDED = ROOT / "docs/services", ROOT / "tests/services"
SCHEMA = ROOT / "docs/inferpoint.schema.json"


def service_table() -> str:
    """Services by tasks, with the tasks that no service does left out."""
    found = [services.find(name) for name in services.names()]
    kinds = [kind for kind in TaskType if any(kind in service.tasks for service in found)]
    lines = ["| service | " + " | ".join(kinds) + " |", "|---" * (len(kinds) + 1) + "|"]
    for service in found:
        tasks = (service.tasks.get(kind) for kind in kinds)
        marks = ("" if task is None else "~" if task.reader else "·" for task in tasks)
        lines.append(f"| [`{service.name}`](docs/services/{service.name}.md) | " + " | ".join(marks) + " |")
    return "\n".join(lines) + "\n"


def breaker_table() -> str:
    """States by events, with the state that follows."""
    lines = ["| state | what happens | then |", "|---|---|---|"]
    for state, transitions in TRANSITIONS.items():
        lines += [f"| {state.value} | {event.value} | {after.value} |" for event, after in transitions.items()]
    return "\n".join(lines) + "\n"


def schema_text() -> str:
    """The JSON schema of the configuration file."""
    return json.dumps(schema(Config), indent=1) + "\n"


def field_table() -> str:
    """Fields of chats by services, as the services do it."""
    return chat_fields.table(RECORDED)


TABLES = (
    (README, "services", service_table),
    (ARCHITECTURE, "breaker", breaker_table),
    (COMPATIBILITY, "fields", field_table),
)


def written(text: str, name: str, table: str) -> str:
    """*text* with the *table* called *name* as it is now."""
    begin, end = f"<!-- {name}: written by `make docs` -->\n", f"<!-- /{name} -->"
    before, rest = text.split(begin)
    _, after = rest.split(end)
    return before + begin + table + end + after


def main() -> None:
    """Write, or check."""
    pages = [(path, lambda text, name=name, table=table: written(text, name, table())) for path, name, table in TABLES]
    for path, made in [*pages, (SCHEMA, lambda _: schema_text()), *_service_pages()]:
        text = path.read_text("utf-8") if path.exists() else ""
        now = made(text)
        if "--check" in sys.argv and now != text:
            sys.exit(f"{path.name} is behind: run `make docs`")
        path.write_text(now, "utf-8")
    if "--check" not in sys.argv:
        _write_observed()


def _service_pages() -> list[tuple[Path, Callable[[str], str]]]:
    """Where the page of each service is, and what makes it."""
    every = [services.find(name) for name in services.names()]
    return [(PAGES / f"{service.name}.md", lambda _, service=service: page(service, RECORDED)) for service in every]


def _write_observed() -> None:
    sys.path += [str(ROOT / "tests" / folder) for folder in ("", "agents", "clients", "e2e")]
    for name in ("real_clients", "real_agents"):
        module = importlib.import_module(name)
        if module.FOUND.exists():
            found = json.loads(module.FOUND.read_text("utf-8"))
            text = module.written(module.DOCUMENT.read_text("utf-8"), found)
            module.DOCUMENT.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
