"""Sealing of personal values: AES-256-GCM under a key per item (or per raw change set), wrapped by the master key.

A sealed value is 12 random bytes, then ciphertext and tag; its associated data is the id of what it belongs to, so that
a value cannot be moved from one item to another. Every other secret is derived from the master key by HKDF
(RFC 5869), one purpose each.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE = 12


class Unsealable(Exception):
    """The key does not fit, or the bytes were altered."""


class ItemKey(NamedTuple):
    """An item's key in the clear, only ever in memory; `wrapped` is what the database holds."""

    secret: bytes
    wrapped: bytes


def seal(secret: bytes, owner: bytes, value: bytes) -> bytes:
    """Encrypt `value` for the object whose id is `owner`."""
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(secret).encrypt(nonce, value, owner)


def unseal(secret: bytes, owner: bytes, sealed: bytes) -> bytes:
    """Decrypt what `seal` made; raises Unsealable."""
    try:
        return AESGCM(secret).decrypt(sealed[:_NONCE], sealed[_NONCE:], owner)
    except (InvalidTag, ValueError):
        # A ValueError is what bytes too short to be sealed give.
        raise Unsealable from None


def seal_values(secret: bytes, owner: bytes, values: dict[str, Any]) -> bytes | None:
    """Encrypt a mapping as MessagePack; an empty one needs no bytes."""
    return seal(secret, owner, msgspec.msgpack.encode(values)) if values else None


def unseal_values(secret: bytes, owner: bytes, sealed: bytes | None) -> dict[str, Any]:
    """The mapping that `seal_values` encrypted."""
    return msgspec.msgpack.decode(unseal(secret, owner, sealed)) if sealed else {}


@dataclass(frozen=True)
class Keyring:
    """Everything that follows from the master key of 32 bytes."""

    master: bytes = field(repr=False)

    def new_key(self, owner: bytes) -> ItemKey:
        """A fresh key for the object whose id is `owner`."""
        secret = os.urandom(32)
        return ItemKey(secret, seal(self._derived("wrap"), owner, secret))

    def open_key(self, owner: bytes, wrapped: bytes) -> bytes:
        """The secret behind a wrapped key; raises Unsealable."""
        return unseal(self._derived("wrap"), owner, wrapped)

    def index(self, purpose: str, value: str) -> bytes:
        """A blind index: equal values have equal indexes, and nobody without the master key can test a guess."""
        return hmac.digest(self._derived(f"index {purpose}"), value.encode(), "sha256")

    def token(self, purpose: str, seed: bytes) -> bytes:
        """16 bytes that follow from `seed`: the same request, repeated, is given the same token."""
        return hmac.digest(self._derived(f"token {purpose}"), seed, "sha256")[:16]

    def seal_for(self, purpose: str, value: str) -> bytes:
        """Encrypt a short text of the installation itself, such as a login phone."""
        return seal(self._derived(f"seal {purpose}"), purpose.encode(), value.encode())

    def unseal_for(self, purpose: str, sealed: bytes) -> str:
        """The text that `seal_for` encrypted."""
        return unseal(self._derived(f"seal {purpose}"), purpose.encode(), sealed).decode()

    def check_value(self) -> bytes:
        """What the database keeps to tell at once that another master key is in use."""
        return self._derived("check")

    def _derived(self, purpose: str) -> bytes:
        cached = _DERIVED.get((self.master, purpose))
        if cached is None:
            cached = HKDF(SHA256(), 32, salt=None, info=f"onegrid {purpose}".encode()).derive(self.master)
            _DERIVED[self.master, purpose] = cached
        return cached


# Few masters and few purposes: the table stays small and spares a derivation for every item.
_DERIVED: dict[tuple[bytes, str], bytes] = {}


def token_hash(token: str) -> bytes:
    """What is stored of a bearer token; the token itself is 128 random bits, so a plain hash suffices."""
    return hashlib.sha256(token.encode()).digest()
