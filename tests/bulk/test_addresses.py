from __future__ import annotations

from pathlib import Path

import pytest

from inferpoint.bulk.addresses import Address, Addresses, address
from inferpoint.errors import InferenceError, Kind

ENVIRON = {"WHO": "me", "SECRET": "p@ss:/?&#word", "BUCKET": "documents", "EMPTY": ""}


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        ("docs.jsonl", ("", "", "docs.jsonl", None, None, {})),
        ("/data/what?.jsonl", ("", "", "/data/what?.jsonl", None, None, {})),
        ("/data/a b#1:2@3", ("", "", "/data/a b#1:2@3", None, None, {})),
        ("-?format=csv", ("", "", "-", None, None, {"format": "csv"})),
        ("file:///data/x", ("file", "", "/data/x", None, None, {})),
        ("S3://${BUCKET}/a/b#c", ("s3", "documents", "/a/b#c", None, None, {})),
        ("s3://bucket", ("s3", "bucket", "", None, None, {})),
        ("postgresql://${WHO}:${SECRET}@h:1/db", ("postgresql", "h:1", "/db", "me", "p@ss:/?&#word", {})),
        ("https://a%40b:${SECRET}@h/i", ("https", "h", "/i", "a@b", "p@ss:/?&#word", {})),
        ("https://h:1/i?api_key=${SECRET}", ("https", "h:1", "/i", None, None, {"api_key": "p@ss:/?&#word"})),
        ("${NOTHING:-here}/x", ("", "", "here/x", None, None, {})),
        ("$${NOTHING}/x", ("", "", "${NOTHING}/x", None, None, {})),
    ],
)
def test_an_address_is_taken_apart(written: str, parts: tuple[object, ...]) -> None:
    """Values of references stand in the part where their reference stood, whatever characters they hold."""
    taken = address(written, ENVIRON)
    assert (taken.scheme, taken.host, taken.path, taken.user, taken.password, dict(taken.query)) == parts
    assert repr(taken) == f"Address({written!r})"


def test_a_secret_may_be_in_a_file(tmp_path: Path) -> None:
    """A reference to a file stands for its text, also where its path has a slash."""
    (tmp_path / "key").write_text("s3cret\n")
    assert address(f"https://h/i?api_key=${{file:{tmp_path}/key}}", {}).query == {"api_key": "s3cret"}


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("https://elastic:hunter2@h/i", "password"),
        ("https://elastic:hunter2${WHO}@h/i", "password"),
        ("https://elastic:hun:t@er2@h/i", "password"),
        ("https://h/i?api_key=hunter2", "api_key"),
        ("https://h/i?format=csv&accessToken=hunter2", "accessToken"),
    ],
)
def test_a_secret_that_is_written_out_is_refused(written: str, name: str) -> None:
    """The refusal says how to do it right, and does not repeat the secret."""
    with pytest.raises(
        InferenceError, match=rf"^The {name} must not be written into an address.*\$\{{NAME\}}"
    ) as raised:
        address(written, ENVIRON)
    assert raised.value.kind is Kind.INVALID
    assert "hun" not in str(raised.value)


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("https://a:${MISSING}@h/i", "The variable MISSING is not set"),
        ("https://a:${EMPTY}@h/i", "The variable EMPTY is not set"),
        ("s3://${file:/no/such}/i", "The file /no/such cannot be read: No such file or directory"),
    ],
)
def test_a_reference_without_a_value_is_named(written: str, problem: str) -> None:
    """What is missing is told by its name."""
    with pytest.raises(InferenceError) as raised:
        address(written, ENVIRON)
    assert raised.value.problems == (problem,)


def test_parameters_that_nobody_knows_are_refused() -> None:
    """The refusal names the parameter and those that are known."""
    taken: Address = address("x?formt=csv")
    with pytest.raises(InferenceError, match=r"has a parameter \[formt\], which is not known; known is \[format\]"):
        taken.only("format")
    address("x?format=csv").only("format")


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("docs.jsonl", "{}/docs.jsonl"),
        ("sub/../docs.jsonl?format=jsonl", "{}/sub/../docs.jsonl?format=jsonl"),
        ("out/", "{}/out/"),
        ("*.parquet", "{}/*.parquet"),
        ("/from/the/root.csv", "/from/the/root.csv"),
        ("s3://bucket/docs/", "s3://bucket/docs/"),
        ("${HOME}/docs.jsonl", "${HOME}/docs.jsonl"),
        ("-", "-"),
    ],
)
def test_a_path_is_kept_from_the_root(written: str, kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that who goes on with a job from another folder reads what it was begun with."""
    monkeypatch.chdir(tmp_path)
    assert Addresses().kept(written) == kept.replace("{}", str(tmp_path))
