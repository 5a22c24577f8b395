"""Keys: the key-encrypting keys, in a file apart from database and sealing keys, behind a small interface.

The file says which kind of book it is for, so that test keys cannot serve a live one. Each line after
that is a key: `root` from which others are derived, and `kek` by id, the last of which wraps. What an
HSM would do with keys it never gives out is all a KeyProvider is asked for.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from feiqian.kernel.errors import Broken

Kind = Literal["live", "sandbox"]

_KEY_BYTES, _NONCE_BYTES = 32, 12
_HEAD = "feiqian-vault-keys "
_ROOT = re.compile(r"root ([0-9a-f]{64})")
_KEK = re.compile(r"kek ([0-9a-f]{8}) ([0-9a-f]{64})")


class BadVaultKeys(Broken):
    """The file of vault keys cannot be used. It must be whole, and ours alone (mode 0600)."""

    code, zh = "bad_vault_keys", "卡库密钥文件不可用：须内容完整且仅本账户可读写（0600）。"


class KeysOfOtherKind(Broken):
    """These vault keys are for another kind of book. Name a folder with keys made for this kind."""

    code, zh = "vault_keys_of_other_kind", "卡库密钥与账簿类型不符，请使用为该类账簿生成的密钥。"


class VaultKeyMissing(Broken):
    """Cards were encrypted under a key that is not in the file of vault keys. Restore it from its backup."""

    code, zh = "vault_key_missing", "卡库密钥文件缺少所需的密钥，请从备份恢复该文件。"


class KeyProvider(Protocol):
    """Wraps and unwraps data keys with keys it keeps to itself. kind: which books it may serve."""

    kind: Kind

    def current(self) -> str:
        """The id of the key that wraps from now on, whoever chose it last."""

    def wrap(self, key: bytes, about: bytes) -> tuple[str, bytes]:
        """The id of the current key, and the data key wrapped by it. about: must be told to unwrap it."""

    def unwrap(self, kek: str, wrapped: bytes, about: bytes) -> bytes:
        """The data key. Raises: VaultKeyMissing, BadVaultKeys when it was wrapped otherwise."""

    def derive(self, purpose: bytes) -> bytes:
        """A key of 32 bytes for a purpose, the same for ever."""

    def add(self) -> str:
        """Make a key that wraps from now on, beside those there are. -> its id."""

    def drop(self, but: Collection[str]) -> list[str]:
        """Forget every key but these and the current one. -> the ids forgotten."""


class FileKeys:
    """Keys in a file; several processes may hold it and learn from it of each other's changes."""

    def __init__(self, path: Path, kind: Kind) -> None:
        """On first use a file for this kind of book is made. Raises: BadVaultKeys, KeysOfOtherKind."""
        self.kind: Kind = kind
        self._path = path
        with self._alone():
            if not path.exists():
                self._root = secrets.token_bytes(_KEY_BYTES)
                self._keks = {secrets.token_hex(4): secrets.token_bytes(_KEY_BYTES)}
                self._store()
        self._load()

    def current(self) -> str:
        """See KeyProvider. Reads the file: another process may have added a key."""
        self._load()
        return list(self._keks)[-1]

    def wrap(self, key: bytes, about: bytes) -> tuple[str, bytes]:
        """See KeyProvider."""
        id = self.current()
        nonce = os.urandom(_NONCE_BYTES)
        return id, nonce + AESGCM(self._keks[id]).encrypt(nonce, key, id.encode() + about)

    def unwrap(self, kek: str, wrapped: bytes, about: bytes) -> bytes:
        """See KeyProvider."""
        if kek not in self._keks:
            self._load()
        if kek not in self._keks:
            raise VaultKeyMissing(kek=kek, file=str(self._path))
        try:
            cipher = AESGCM(self._keks[kek])
            return cipher.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], kek.encode() + about)
        except InvalidTag:
            raise BadVaultKeys(kek=kek, reason="this data key was wrapped otherwise") from None

    def derive(self, purpose: bytes) -> bytes:
        """See KeyProvider. HKDF with SHA-256, RFC 5869."""
        return HKDF(SHA256(), _KEY_BYTES, salt=None, info=purpose).derive(self._root)

    def add(self) -> str:
        """See KeyProvider."""
        with self._alone():
            self._load()
            id = secrets.token_hex(4)
            self._keks[id] = secrets.token_bytes(_KEY_BYTES)
            self._store()
        return id

    def drop(self, but: Collection[str]) -> list[str]:
        """See KeyProvider."""
        with self._alone():
            self._load()
            *old, current = self._keks
            gone = [id for id in old if id not in but]
            self._keks = {id: key for id, key in self._keks.items() if id not in gone or id == current}
            if gone:
                self._store()
        return gone

    def _load(self) -> None:
        if self._path.stat().st_mode & 0o077:
            raise BadVaultKeys(file=str(self._path), reason="others may read it")
        head, *lines = self._path.read_text("ascii", errors="replace").splitlines() or [""]
        if head not in (f"{_HEAD}live", f"{_HEAD}sandbox"):
            raise BadVaultKeys(file=str(self._path), reason="it does not say which books it is for")
        if head != _HEAD + self.kind:
            raise KeysOfOtherKind(file=str(self._path), book=self.kind)
        roots = [found[1] for line in lines if (found := _ROOT.fullmatch(line))]
        keks = [(found[1], found[2]) for line in lines if (found := _KEK.fullmatch(line))]
        if len(roots) != 1 or not keks or len(roots) + len(keks) != len(lines):
            raise BadVaultKeys(file=str(self._path), reason="not one root and lines of kek, id and key")
        self._root = bytes.fromhex(roots[0])
        self._keks = {id: bytes.fromhex(key) for id, key in keks}

    def _store(self) -> None:
        """All or nothing, and only for us."""
        text = [_HEAD + self.kind, f"root {self._root.hex()}"]
        text += [f"kek {id} {key.hex()}" for id, key in self._keks.items()]
        draft = self._path.with_name(f".{self._path.name}-{secrets.token_hex(8)}")
        try:
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write("\n".join(text) + "\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, self._path)
        finally:
            draft.unlink(missing_ok=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else changes the file meanwhile; what was changed is on the disk afterwards."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
            os.fsync(folder)
        finally:
            os.close(folder)
