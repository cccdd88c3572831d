"""How large things may be, and in which words they are told: what no linter asks for."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import inferpoint

SOURCE = Path(inferpoint.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
FILE, SERVICE_FILE, FUNCTION, PARAMETERS = 300, 150, 40, 6
# Declarations, whose parameters are what may be declared.
DECLARING = {
    "model/settings.py setting": "the members of a setting, each named where it is used",
    "protocols/openai/chats.py chat": "how a server may differ from OpenAI's, each named where it does",
    "cli/infer.py infer": "typer declares an option by a parameter",
    "cli/chunk.py chunk": "typer declares an option by a parameter",
    "cli/endpoints.py put_endpoint": "typer declares an option by a parameter",
    "cli/jobs.py work_on": "typer declares an option by a parameter",
    "cli/keys.py create_key": "typer declares an option by a parameter",
    "cli/keys.py update_key": "typer declares an option by a parameter",
}
# A docstring is read where it stands: its subject is not in another sentence.
ALONE = re.compile(r"(It|Its|They|The same|Likewise|There is|There are|Somebody|Nobody)\b")
SAY_NOTHING = {"found", "given", "each", "said"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def name(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def functions(path: Path) -> Iterator[Function]:
    return (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, Function))


def parameters(function: Function) -> list[str]:
    arguments = function.args
    every = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    return [argument.arg for argument in every if argument.arg not in ("self", "cls")]


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_file_has_one_subject(path: Path) -> None:
    """A file that has grown beyond what one subject takes has two, and a service is small."""
    most = SERVICE_FILE if path.is_relative_to(SOURCE / "services") else FILE
    assert len(path.read_text("utf-8").splitlines()) <= most


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_function_does_one_thing(path: Path) -> None:
    """A function fits on a screen, and its parameters in a head; declarations have the parameters that they have."""
    for function in functions(path):
        assert function.end_lineno
        assert function.end_lineno - function.lineno < FUNCTION, function.name
        if f"{name(path)} {function.name}" not in DECLARING:
            assert len(parameters(function)) <= PARAMETERS, function.name


def test_every_declaration_is_there() -> None:
    """Nothing is excused that is not there any more, or has no need of it."""
    large = {f"{name(path)} {each.name}" for path in FILES for each in functions(path) if len(parameters(each)) > 6}
    assert set(DECLARING) == large


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_docstring_stands_alone(path: Path) -> None:
    """A reader understands what a thing is without the line above it."""
    documented = ast.Module | ast.ClassDef | Function
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, documented) and (text := ast.get_docstring(node)):
            assert not ALONE.match(text), text


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_name_says_what_a_thing_is(path: Path) -> None:
    """A variable that could hold anything is called by what it holds."""
    for node in (node for function in functions(path) for node in ast.walk(function)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            assert node.id not in SAY_NOTHING, f"{node.id} in line {node.lineno}"
