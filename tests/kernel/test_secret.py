"""Secrets at rest: opened only with their key, unchanged, and where they belong."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from feiqian.kernel.secret import (
    FILE,
    BadKeyFile,
    SealBroken,
    add_key,
    load_keys,
    new_keys,
    open_sealed,
    seal,
)


def test_a_seal_opens_to_what_was_sealed_and_never_looks_the_same() -> None:
    keys = new_keys()
    one, two = seal(keys, b"secret", b"row 1"), seal(keys, b"secret", b"row 1")
    assert one != two
    assert b"secret" not in one
    assert open_sealed(keys, one, b"row 1") == b"secret"


def test_a_seal_moved_changed_or_foreign_does_not_open() -> None:
    keys = new_keys()
    sealed = seal(keys, b"secret", b"row 1")
    with pytest.raises(SealBroken):
        open_sealed(keys, sealed, b"row 2")
    with pytest.raises(SealBroken):
        open_sealed(new_keys(), sealed, b"row 1")
    for at in range(len(sealed)):
        bent = bytearray(sealed)
        bent[at] ^= 1
        with pytest.raises(SealBroken):
            open_sealed(keys, bytes(bent), b"row 1")
        with pytest.raises(SealBroken):
            open_sealed(keys, sealed[:at], b"row 1")


def test_the_file_is_ours_alone_and_is_made_once(folder: Path) -> None:
    with ThreadPoolExecutor(8) as many:
        loaded = list(many.map(lambda _: load_keys(folder), range(32)))
    assert len({keys.current for keys in loaded}) == 1
    assert [path.name for path in folder.iterdir()] == [FILE]
    assert (folder / FILE).stat().st_mode & 0o777 == 0o600
    assert "keys=" not in repr(loaded[0])


def test_after_a_rotation_old_seals_open_and_new_ones_name_the_new_key(folder: Path) -> None:
    before = load_keys(folder)
    old = seal(before, b"old", b"")
    after = add_key(folder)
    assert after.current != before.current
    assert load_keys(folder) == after
    assert open_sealed(after, old, b"") == b"old"
    with pytest.raises(SealBroken):
        open_sealed(before, seal(after, b"new", b""), b"")


@pytest.mark.parametrize("text", ["", "no key\n", "0011 22\n"])
def test_a_broken_file_is_no_key(folder: Path, text: str) -> None:
    load_keys(folder)
    (folder / FILE).write_text(text)
    with pytest.raises(BadKeyFile):
        load_keys(folder)


def test_a_file_that_others_may_read_is_refused(folder: Path) -> None:
    load_keys(folder)
    (folder / FILE).chmod(0o640)
    with pytest.raises(BadKeyFile):
        load_keys(folder)
