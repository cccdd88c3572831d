"""What every place of objects promises: a class of tests, for which a subclass has the fixture `place`, empty."""

from __future__ import annotations

import pytest

from inferpoint.bulk.objects import Objects
from inferpoint.errors import InferenceError, Kind


class Promises:
    def test_objects_are_listed_in_order(self, place: Objects) -> None:
        """With sizes, in folders too, without those that begin with a dot; what is there is what was written."""
        assert list(place.list()) == []
        written = {name: place.write(name, name.encode()) for name in ("b", "a/z", "a.b", "a/c/d", "é", ".x", "a/.y/z")}
        expected = [(name, written[name]) for name in ("a.b", "a/c/d", "a/z", "b", "é")]
        assert list(place.list()) == expected
        for name, stat in expected:
            assert place.stat(name) == stat
            assert stat.size == len(name.encode())

    def test_an_object_is_read_from_anywhere(self, place: Objects) -> None:
        """By lines, by ranges and from its end."""
        content = b"".join(b"%07d\n" % number for number in range(200_000))
        stat = place.write("numbers", content)
        with place.open("numbers", stat) as file:
            assert file.seekable()
            assert file.readline() == b"0000000\n"
            file.seek(8 * 150_000)
            assert file.read(16) == b"0150000\n0150001\n"
            file.seek(-8, 2)
            assert file.read() == b"0199999\n"
            assert file.read() == b""
            file.seek(0)
            assert file.read() == content
        with place.open("numbers", stat, end=24) as file:
            file.seek(8)
            assert file.read(16) == b"0000001\n0000002\n"

    def test_an_object_that_has_changed_is_not_read(self, place: Objects) -> None:
        """Not by who expects the one before."""
        before = place.write("a", b"one")
        after = place.write("a", b"two")
        assert before != after
        with pytest.raises(InferenceError, match=r"\[a\] has changed") as raised, place.open("a", before) as file:
            file.read()
        assert raised.value.kind is Kind.CONFLICT
        with place.open("a", after) as file:
            assert file.read() == b"two"

    def test_an_object_is_there_when_it_is_filled(self, place: Objects) -> None:
        """Whole; while it is filled, and after an error, the one before is."""
        place.write("a/b", b"before")
        with pytest.raises(KeyError), place.filling("a/b") as file:
            file.write(b"half")
            raise KeyError
        with place.filling("a/b") as file:
            file.write(b"whole")
            with place.open("a/b", place.stat("a/b")) as before:
                assert before.read() == b"before"
        with place.open("a/b", place.stat("a/b")) as after:
            assert after.read() == b"whole"
        assert [name for name, _ in place.list()] == ["a/b"]

    def test_only_a_new_object_is_created(self, place: Objects) -> None:
        """Whoever comes second is told, and the first one's content stays."""
        stat = place.write("a/b", b"first", create=True)
        with pytest.raises(InferenceError) as raised:
            place.write("a/b", b"second", create=True)
        assert raised.value.kind is Kind.CONFLICT
        assert [name for name, _ in place.list()] == ["a/b"]
        with place.open("a/b", stat) as file:
            assert file.read() == b"first"

    def test_an_object_is_deleted(self, place: Objects) -> None:
        """Also when it is gone already."""
        place.write("a", b"")
        assert place.exists("a")
        place.delete("a")
        place.delete("a")
        assert not place.exists("a")
        with pytest.raises(InferenceError) as raised:
            place.stat("a")
        assert raised.value.kind is Kind.NOT_FOUND
