"""The laws of the design, held by reading the source."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import inferpoint
from inferpoint import services

SOURCE = Path(inferpoint.__file__).parent
ROOT = Path(__file__).parent.parent
FILES = sorted(SOURCE.rglob("*.py"))

ROW = re.compile(r"^\| (\d+) \| (`[^|]+`) \|", re.MULTILINE)  # of the table in docs/architecture.md
FLOOR = {
    room.removesuffix("/").removesuffix(".py"): int(number)
    for number, rooms in ROW.findall((ROOT / "docs/architecture.md").read_text("utf-8"))
    for room in re.findall(r"`([^`]+)`", rooms)
} | {"": 14}  # the package's own names
# What waits never learns what a provider is, and the other way round, wherever the floors would allow it.
WAITS = ("storage", "telemetry", "inbound", "outbound", "local")
NOT_SEEN = {(waits, knows) for waits in WAITS for knows in ("protocols", "chunking", "services")}

UNNAMED = {"utils", "util", "helpers", "helper", "common", "base", "manager", "managers", "misc", "core"}
WORLD = {
    "httptools", "asyncio", "concurrent", "ctypes", "fcntl", "glob", "http", "io", "logging", "multiprocessing", "os",
    "pathlib", "platform", "prometheus_client", "random", "requests", "secrets", "select", "shutil", "signal",
    "socket", "sqlalchemy", "sqlite3", "ssl", "subprocess", "sys", "tempfile", "threading", "time", "urllib.request",
    "uuid", "uvloop", "zoneinfo",
}  # fmt: skip
PURE = [path for path in FILES if path.relative_to(SOURCE).parts[0] in ("services", "protocols", "chunking", "model")]
FINDS = SOURCE / "services" / "__init__.py"  # it finds the services' files, and is none


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(SOURCE)) for path in paths]


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def place(path: Path) -> str:
    """The part of the design that a file is of."""
    first = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


def imports(path: Path) -> Iterator[str]:
    """Every module a file imports, with its full name, wherever in the file it does."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            assert node.module
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def ours(path: Path) -> set[str]:
    """The parts of the design that a file imports."""
    found: set[str] = set()
    for module in imports(path):
        first, _, rest = module.partition(".")
        part = rest.partition(".")[0]
        if first == "inferpoint" and part and part in FLOOR:
            found.add(part)
    return found


@pytest.mark.parametrize("path", FILES, ids=names(FILES))
def test_imports_go_down(path: Path) -> None:
    """A file imports from its own part and from lower ones: never from a higher one, never from one beside it."""
    part = place(path)
    assert part in FLOOR, f"{part} has no floor: say in docs/architecture.md where it belongs"
    for imported in ours(path) - {part}:
        if part == "" and imported == "library":
            continue
        assert FLOOR[imported] < FLOOR[part], f"{part} imports {imported}"
        assert (part, imported) not in NOT_SEEN, f"{part} imports {imported}"


def test_no_service_imports_another() -> None:
    """What two services share has a name of its own, in protocols."""
    for path in (SOURCE / "services").glob("*.py"):
        if path != FINDS:
            assert "services" not in ours(path), path


@pytest.mark.parametrize(
    "path", [path for path in PURE if path != FINDS], ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_declarations_and_pure_functions_only(path: Path) -> None:
    """Below the engine nothing waits, looks at a clock, draws a number or writes a log."""
    for module in imports(path):
        parts = module.split(".")
        assert not {".".join(parts[:length]) for length in range(1, len(parts) + 1)} & WORLD, module
    called = {ast.unparse(node.func) for node in ast.walk(tree(path)) if isinstance(node, ast.Call)}
    assert not called & {"open", "print", "input", "datetime.now", "datetime.utcnow", "datetime.today", "date.today"}


def named_in(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions by which a node tells things apart: what it compares with, matches, looks up or is keyed by."""
    match node:
        case ast.Compare(left, _, comparators):
            for each in (left, *comparators):
                yield from each.elts if isinstance(each, ast.Tuple | ast.List | ast.Set) else (each,)
        case ast.MatchValue(value) | ast.Subscript(slice=value):
            yield value
        case ast.Dict(keys):
            yield from (key for key in keys if key is not None)
        case ast.Call(ast.Attribute(attr="get" | "startswith" | "endswith" | "pop"), arguments):
            yield from arguments[:1]
        case _:
            return


@pytest.mark.parametrize(
    "path", [path for path in FILES if place(path) != "services"], ids=lambda path: str(path.relative_to(SOURCE))
)
def test_nothing_outside_services_knows_a_service(path: Path) -> None:
    """No expression outside services/ compares with, matches or looks up a service's name."""
    names = {*services.names()} - {"custom"}  # which is also a type of OpenAI's and Anthropic's tools
    for node in ast.walk(tree(path)):
        for each in named_in(node):
            known = isinstance(each, ast.Constant) and each.value in names
            assert not known, f"{path}:{node.lineno}"  # type: ignore[attr-defined]


def test_the_law_finds_what_it_forbids() -> None:
    """Each way to tell a service by its name is one that the law above sees."""
    for text in (
        "s.name == 'openai'", "s.name in ('x', 'openai')", "d['openai']", "{'openai': 1}", "d.get('openai')",
        "match s:\n case 'openai': pass", "'openai' != s", "s.name.startswith('openai')",
    ):  # fmt: skip
        found = [each for node in ast.walk(ast.parse(text)) for each in named_in(node)]
        assert any(isinstance(each, ast.Constant) and each.value == "openai" for each in found), text


def test_every_file_has_a_name() -> None:
    """If it has no name, it has no place."""
    for path in [*FILES, *(path for path in SOURCE.rglob("*") if path.is_dir())]:
        assert not UNNAMED & set(path.stem.split("_")), path


def test_every_module_says_what_it_is() -> None:
    """The first line of a module could stand in a table of contents."""
    for path in FILES:
        if path.read_text("utf-8").strip():
            assert ast.get_docstring(tree(path)), path


def loaded(program: str, *arguments: str) -> set[str]:
    """The modules that a fresh Python has read after *program*."""
    ran = subprocess.run(
        [sys.executable, "-c", f"import sys\n{program}\nprint(*sys.modules)", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")},
    )
    assert ran.returncode == 0, ran.stderr
    return set(ran.stdout.split())


ASSEMBLED = """
import asyncio, pathlib
from inferpoint import app
from inferpoint.access.callers import Callers
from inferpoint.api.bodies import Bodies
from inferpoint.model.limits import Limits
from inferpoint.api.server import Entrance, Server
from inferpoint.inbound.origins import CLOSED
from inferpoint.engine.engine import Policy
folder = pathlib.Path(sys.argv[1])
async def main():
    async with app.assembled(app.Home(folder, folder / "models"), Policy({}), {}, lambda _: None) as parts:
        entrance = Entrance(CLOSED, Callers(parts.keys, is_open=True), Bodies(Limits(), parts.memory))
        Server(parts.engine, app.faces(), (), entrance, parts.telemetry, parts.clock)
asyncio.run(main())
"""


def test_a_running_server_carries_only_what_it_uses(data: Path) -> None:
    """Nothing of tables on a terminal or models is read by a server."""
    heavy = {
        "typer",
        "rich",
        "numpy",
        "onnx",
        "onnxruntime",
        "tokenizers",
        "inferpoint.cli",
        "inferpoint.library",
    }
    assert not loaded(ASSEMBLED, str(data)) & heavy


SERVED = """
import asyncio, socket
from inferpoint import app
from inferpoint.config import Config
async def main():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        moved = {"OPENAI_BASE_URL": "http://127.0.0.1:1"}
        async with app._server(Config(data_dir=sys.argv[1]), moved, lambda _: None, listener):
            pass
asyncio.run(main())
"""
CONNECTED = "import inferpoint\nwith inferpoint.connect(sys.argv[1]):\n    pass\n"
NAMED = "from inferpoint import services\nservices.find('groq')\n"


@pytest.mark.parametrize(
    ("program", "read"),
    [(SERVED, set()), (CONNECTED, set()), (SERVED + NAMED, {"inferpoint.services.groq"})],
    ids=["server", "library", "named"],
)
def test_no_service_is_read_before_it_is_named(data: Path, program: str, read: set[str]) -> None:
    """A server and the library start without a service, also where a variable moves one; naming one reads that one."""
    assert {name for name in loaded(program, str(data)) if name.startswith("inferpoint.services.")} == read


def test_no_service_brings_a_package_of_its_provider(data: Path) -> None:
    """All services together read nothing but ourselves: none has an SDK, be it Amazon's, Google's or IBM's."""
    every = "from inferpoint import services\n[services.find(name) for name in services.names()]\n"
    more = loaded(SERVED + every, str(data)) - loaded(SERVED, str(data))
    assert {name.partition(".")[0] for name in more} == {"inferpoint"}


def test_the_package_alone_reads_nothing_heavy() -> None:
    """`import inferpoint` is its names and its error; everything else is read on first use."""
    found = loaded("import inferpoint")
    assert {name for name in found if name.startswith("inferpoint")} == {
        "inferpoint",
        "inferpoint.errors",
        "inferpoint.version",
    }
    assert not found & {"httptools", "sqlalchemy", "msgspec", "numpy", "cryptography", "asyncio"}


def test_a_supervisor_carries_only_what_it_uses() -> None:
    """What keeps workers running stays small: nothing of HTTP, of the database, of services or of counters."""
    found = loaded("from inferpoint.workers import supervisor")
    assert not found & {"httptools", "sqlalchemy", "sqlite3", "prometheus_client", "cryptography", "numpy"}
    assert not {
        name for name in found if name.startswith(("inferpoint.services", "inferpoint.engine", "inferpoint.api"))
    }
