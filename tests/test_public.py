from __future__ import annotations

import ast
import inspect
from pathlib import Path
from zipfile import ZipFile

from hatchling.builders.wheel import WheelBuilder

import inferpoint

ROOT = Path(__file__).parent.parent


def test_the_public_names_are_sorted() -> None:
    """The list of public names is in order and names what is there."""
    assert inferpoint.__all__ == sorted(inferpoint.__all__)
    for name in inferpoint.__all__:
        assert getattr(inferpoint, name) is not None


def test_every_public_name_is_documented() -> None:
    """Every public class and function, and every public method of theirs, says what it is for."""
    for name in inferpoint.__all__:
        found = getattr(inferpoint, name)
        if isinstance(found, str):
            continue
        assert inspect.getdoc(found), name
        for method, each in vars(found).items():
            if inspect.isfunction(each) and not method.startswith("_"):
                assert each.__doc__, f"{name}.{method}"


def test_the_package_holds_nothing_but_its_names() -> None:
    """The package's own file has names in it, and nothing that does something."""
    body = ast.parse(Path(inferpoint.__file__).read_text("utf-8")).body
    functions = [node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    assert functions in ([], ["__getattr__"])


def test_a_name_that_is_none_is_an_attribute_error() -> None:
    """What is not public is missing in Python's own way."""
    assert not hasattr(inferpoint, "nothing")


def test_the_wheel_holds_the_whole_package(tmp_path: Path) -> None:
    """What pip installs has every file of the source, data too, and the mark that its types may be relied on."""
    source = ROOT / "src"
    wanted = {
        path.relative_to(source).as_posix()
        for path in (source / "inferpoint").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    (made,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path))
    with ZipFile(made) as wheel:
        assert {name for name in wheel.namelist() if name.startswith("inferpoint/")} == wanted
    assert "inferpoint/py.typed" in wanted
