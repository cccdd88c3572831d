"""What is in the packages that users install."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PARTS = ("src", "LICENSE", "LICENSES", "README.md", "pyproject.toml", "tools")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[set[str], set[str]]:
    """The names in an sdist and in a wheel, of a checkout with files in it that git does not track."""
    tree = tmp_path_factory.mktemp("tree")
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, tree / part)
    (tree / ".gitignore").write_text("__pycache__/\n")
    for command in (("git", "init", "-q"), ("git", "add", "--all")):
        subprocess.run(command, cwd=tree, check=True)
    for untracked in (".env", "src/inferpoint/.env", "src/inferpoint/notes/keys [old].txt", "src/inferpoint/own.py"):
        (tree / untracked).parent.mkdir(exist_ok=True)
        (tree / untracked).write_text("KEY=made-up")
    subprocess.run([sys.executable, "-m", "hatchling", "build"], cwd=tree, check=True, capture_output=True)
    (sdist,) = (tree / "dist").glob("*.tar.gz")
    (wheel,) = (tree / "dist").glob("*.whl")
    with tarfile.open(sdist) as source, zipfile.ZipFile(wheel) as installed:
        return set(source.getnames()), set(installed.namelist())


def test_what_git_does_not_track_is_in_no_package(built: tuple[set[str], set[str]]) -> None:
    """Somebody's `.env`, notes and files of their own stay at home, and all modules are there."""
    for names in built:
        assert not [name for name in names if name.endswith((".env", "].txt", "own.py"))]
    modules = {
        f"inferpoint/{path.relative_to(ROOT / 'src/inferpoint')}" for path in ROOT.glob("src/inferpoint/**/*.py")
    }
    assert modules | {"inferpoint/api/openapi/page.html"} <= built[1]


def test_a_wheel_is_the_same_whenever_it_is_built(tmp_path: Path) -> None:
    """Two builds at different times, of trees with other times and modes, are equal in every byte."""
    wheels: list[bytes] = []
    for number, mode in ((1, 0o644), (2, 0o600)):
        tree = tmp_path / str(number)
        tree.mkdir()
        for part in PARTS:
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
            copy(ROOT / part, tree / part)
        for path in tree.rglob("*.py"):
            os.utime(path, (number * 10**8, number * 10**8))
            path.chmod(mode)
        build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
        subprocess.run(build, cwd=tree, check=True, capture_output=True)
        (wheel,) = (tree / "dist").glob("*.whl")
        wheels.append(wheel.read_bytes())
    assert wheels[0] == wheels[1]


def test_every_dependency_has_a_reason() -> None:
    """`docs/dependencies.md` names each package that a user installs, and none that they do not."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    names = {re.match(r"[\w.-]+", one)[0] for one in wanted}  # type: ignore[index]
    rows = re.findall(r"^\| `([\w.-]+)` \| (.+?) \|$", (ROOT / "docs/dependencies.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(name for name, _ in rows) == sorted(names)
    locked = (ROOT / "requirements/runtime.txt").read_text("utf-8")
    for name in (re.match(r"[\w.-]+", one)[0] for one in project["dependencies"]):  # type: ignore[index]
        assert re.search(rf"^{re.escape(name)}==", locked, re.MULTILINE), name


def test_the_licences_of_data_are_beside_it(built: tuple[set[str], set[str]]) -> None:
    """The two files made from the data of others come with the texts that their owners ask for."""
    for names in built:
        assert {Path(name).name for name in names} >= {
            "classes.zlib",
            "cl100k.zlib",
            "Unicode-3.0.txt",
            "tiktoken-MIT.txt",
        }
