"""Secrets at rest: sealed with AES-256-GCM under a key kept in a file, never in the database.

What is sealed names its key, so a new key can be added while old seals still open, and is bound to
what it is the secret of, so that it cannot be moved to another row. Losing the file loses the secrets:
back it up apart from the database.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from feiqian.kernel.errors import Broken

FILE = "sealing-keys"  # in the data folder; one key a line, the last one seals

_FORM = b"\x01"
_ID_BYTES, _NONCE_BYTES, _KEY_BYTES, _TAG_BYTES = 4, 12, 32, 16
_LINE = re.compile(rf"([0-9a-f]{{{2 * _ID_BYTES}}}) ([0-9a-f]{{{2 * _KEY_BYTES}}})")


class BadKeyFile(Broken):
    """The file of sealing keys cannot be used. It must be ours alone (mode 0600) and whole."""

    code, zh = "bad_key_file", "封存密钥文件不可用：须仅本账户可读写（0600）且内容完整。"


class SealBroken(Broken):
    """A sealed secret does not open: its key is missing, or it is not what was sealed here."""

    code, zh = "seal_broken", "封存的机密无法打开：缺少对应密钥，或内容与封存时不符。"


@dataclass(frozen=True)
class SealingKeys:
    """Keys by id; `current` seals, all of them open."""

    current: bytes
    keys: Mapping[bytes, bytes] = field(repr=False)


def new_keys(before: SealingKeys | None = None) -> SealingKeys:
    """A fresh key, beside those there were before."""
    id = secrets.token_bytes(_ID_BYTES)
    return SealingKeys(id, {**(before.keys if before else {}), id: secrets.token_bytes(_KEY_BYTES)})


def load_keys(folder: Path) -> SealingKeys:
    """The keys in the data folder; on first use a file with one key is made, whoever comes first.

    Raises: BadKeyFile.
    """
    path = folder / FILE
    if not path.exists():
        with suppress(FileExistsError):  # Another process was first: its key is the one to use.
            _write(path, new_keys(), first=True)
    if path.stat().st_mode & 0o077:
        raise BadKeyFile(file=str(path), reason="others may read it")
    keys = {}
    id = b""
    for line in path.read_text("ascii", errors="replace").splitlines():
        found = _LINE.fullmatch(line)
        if found is None:
            raise BadKeyFile(file=str(path), reason="not a line of key id and key")
        id = bytes.fromhex(found[1])
        keys[id] = bytes.fromhex(found[2])
    if not keys:
        raise BadKeyFile(file=str(path), reason="empty")
    return SealingKeys(id, keys)


def add_key(folder: Path) -> SealingKeys:
    """Rotate: seal with a fresh key from now on. Processes that run already learn of it when restarted,
    so restart all before the first new seal must open everywhere.
    """
    keys = new_keys(load_keys(folder))
    _write(folder / FILE, keys)
    return keys


def seal(keys: SealingKeys, plain: bytes, about: bytes) -> bytes:
    """The secret sealed. about: what it is the secret of, such as a row's id; needed to open it again.

    The nonce is random, which is sound for 2**32 seals under one key (NIST SP 800-38D 8.3).
    """
    nonce = os.urandom(_NONCE_BYTES)
    head = _FORM + keys.current
    return head + nonce + AESGCM(keys.keys[keys.current]).encrypt(nonce, plain, head + about)


def open_sealed(keys: SealingKeys, sealed: bytes, about: bytes) -> bytes:
    """The secret that was sealed about this. Raises: SealBroken."""
    head, rest = sealed[: 1 + _ID_BYTES], sealed[1 + _ID_BYTES :]
    key = keys.keys.get(head[1:])
    if head[:1] != _FORM or key is None or len(rest) < _NONCE_BYTES + _TAG_BYTES:
        raise SealBroken(key=head[1:].hex())
    try:
        return AESGCM(key).decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], head + about)
    except InvalidTag:
        raise SealBroken(key=head[1:].hex()) from None


def _write(path: Path, keys: SealingKeys, *, first: bool = False) -> None:
    """All or nothing, and only for us. Raises: FileExistsError when it should be the first and is not."""
    draft = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    text = "".join(f"{id.hex()} {key.hex()}\n" for id, key in keys.keys.items())
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        # A link, unlike a rename, fails when the name is taken.
        os.link(draft, path) if first else os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
