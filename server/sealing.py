"""Sealing of personal values: AES-256-GCM under a key per item (or per raw change set), wrapped under the root secret.

A sealed value is 12 random bytes, then ciphertext and tag; its associated data is the id of what it belongs to, so that
a value cannot be moved from one item to another. Every other secret is derived from the root by HKDF (RFC 5869), one
purpose each. The root never changes; the operator's master key wraps it and can be replaced (docs/adr/0012).
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Struct

_NONCE = 12
_DRAWN = 32 + 3 * _NONCE
_TAG = 12

encode_values = msgspec.msgpack.Encoder().encode
"""Values as they are sealed: MessagePack."""
_ROOT = b"root"


class Unsealable(Exception):
    """The key does not fit, or the bytes were altered."""


class Sealer(Struct, gc=False, eq=False):
    """A key made ready for several values; `nonces` that were drawn with it are used up first."""

    cipher: AESGCM
    nonces: list[bytes]

    @classmethod
    def of(cls, secret: bytes) -> Sealer:
        """This key made ready."""
        return Sealer(AESGCM(secret), [])

    def seal(self, owner: bytes, value: bytes) -> bytes:
        """Encrypt `value` for the object whose id is `owner`."""
        nonce = self.nonces.pop() if self.nonces else os.urandom(_NONCE)
        return nonce + self.cipher.encrypt(nonce, value, owner)

    def unseal(self, owner: bytes, sealed: bytes) -> bytes:
        """Decrypt what `seal` made; raises Unsealable."""
        try:
            return self.cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], owner)
        except (InvalidTag, ValueError):
            # A ValueError is what bytes too short to be sealed give.
            raise Unsealable from None

    def new_keys(self, owners: Collection[bytes]) -> list[ItemKey]:
        """A fresh key for each object by its id, wrapped by this one.

        Everything random about new objects is drawn at once: their keys, and nonces for key, head and first revision.
        """
        drawn, encrypt, at = os.urandom(_DRAWN * len(owners)), self.cipher.encrypt, 0
        made: list[ItemKey] = []
        for owner in owners:
            secret, nonce = drawn[at : at + 32], drawn[at + 32 : at + 44]
            nonces = [drawn[at + 44 : at + 56], drawn[at + 56 : at + 68]]
            made.append(ItemKey(AESGCM(secret), nonces, secret, nonce + encrypt(nonce, secret, owner)))
            at += _DRAWN
        return made


class ItemKey(Sealer, gc=False, eq=False):
    """An item's fresh key in the clear, only ever in memory; `wrapped` is what the database holds."""

    secret: bytes
    wrapped: bytes


def seal(secret: bytes, owner: bytes, value: bytes) -> bytes:
    """Encrypt one value for the object whose id is `owner`."""
    return Sealer.of(secret).seal(owner, value)


def unseal(secret: bytes, owner: bytes, sealed: bytes) -> bytes:
    """Decrypt what `seal` made; raises Unsealable."""
    return Sealer.of(secret).unseal(owner, sealed)


def seal_values(secret: bytes, owner: bytes, values: dict[str, Any]) -> bytes | None:
    """Encrypt one mapping as MessagePack; an empty one needs no bytes."""
    return seal(secret, owner, encode_values(values)) if values else None


def unseal_values(secret: bytes, owner: bytes, sealed: bytes | None) -> dict[str, Any]:
    """The mapping that `seal_values` encrypted."""
    return msgspec.msgpack.decode(unseal(secret, owner, sealed)) if sealed else {}


@dataclass(frozen=True)
class MasterKey:
    """The operator's key of 32 bytes. It wraps the root secret, and closes the key file that goes with backups."""

    secret: bytes = field(repr=False)

    def check_value(self) -> bytes:
        """What the database keeps to tell at once that another master key is in use."""
        return _derived(self.secret, "check")

    def fingerprint(self) -> str:
        """16 hexadecimal digits that tell two keys apart and nothing of either."""
        return hashlib.sha256(self.check_value()).hexdigest()[:16]

    def key_file_secret(self) -> bytes:
        """What the key file beside the backups is encrypted with."""
        return _derived(self.secret, "key file")

    def wrap_root(self, root: bytes) -> bytes:
        """The root secret as the database holds it."""
        return seal(_derived(self.secret, "root"), _ROOT, root)

    def open_root(self, wrapped: bytes) -> bytes:
        """The root secret that `wrap_root` wrapped; raises Unsealable."""
        return unseal(_derived(self.secret, "root"), _ROOT, wrapped)


@dataclass(frozen=True)
class Keyring:
    """Everything that follows from the root secret of 32 bytes."""

    root: bytes = field(repr=False)

    def new_key(self, owner: bytes) -> ItemKey:
        """A fresh key for the object whose id is `owner`."""
        return self.new_keys([owner])[0]

    def new_keys(self, owners: Collection[bytes]) -> list[ItemKey]:
        """A fresh key for each object by its id."""
        return _wrapper(self.root).new_keys(owners)

    def open_key(self, owner: bytes, wrapped: bytes) -> bytes:
        """The secret behind a wrapped key; raises Unsealable."""
        return _wrapper(self.root).unseal(owner, wrapped)

    def index(self, purpose: str, value: str) -> bytes:
        """A blind index: equal values have equal indexes, and nobody without the root can test a guess."""
        return hmac.digest(_derived(self.root, f"index {purpose}"), value.encode(), "sha256")

    def tags(self, purpose: str, values: Iterable[str], prefix: str) -> list[str]:
        """The same for many values, as texts: the prefix, then 96 bits in 24 hexadecimal digits.

        By keyed BLAKE2b instead of HMAC, which takes three times as long for a short text.
        """
        ready = _tagger(self.root, purpose)
        tags: list[str] = []
        for value in values:
            mac = ready.copy()
            mac.update(value.encode())
            tags.append(prefix + mac.hexdigest())
        return tags

    def token(self, purpose: str, seed: bytes) -> bytes:
        """16 bytes that follow from `seed`: the same request, repeated, is given the same token."""
        return hmac.digest(_derived(self.root, f"token {purpose}"), seed, "sha256")[:16]

    def sign(self, purpose: str, data: bytes) -> bytes:
        """An Ed25519 signature of 64 bytes (RFC 8032), which anybody can check who has the public key."""
        return _signer(self.root, purpose).sign(data)

    def public_key(self, purpose: str) -> bytes:
        """The 32 bytes that check what `sign` made."""
        return _signer(self.root, purpose).public_key().public_bytes_raw()

    def seal_for(self, purpose: str, value: str) -> bytes:
        """Encrypt a short text of the installation itself, such as a login phone."""
        return seal(_derived(self.root, f"seal {purpose}"), purpose.encode(), value.encode())

    def unseal_for(self, purpose: str, sealed: bytes) -> str:
        """The text that `seal_for` encrypted."""
        return unseal(_derived(self.root, f"seal {purpose}"), purpose.encode(), sealed).decode()


@cache
def _wrapper(root: bytes) -> Sealer:
    return Sealer.of(_derived(root, "wrap"))


@cache
def _tagger(root: bytes, purpose: str) -> hashlib.blake2b:
    """BLAKE2b with its key of 32 bytes made ready (RFC 7693, section 2.9), to be copied."""
    return hashlib.blake2b(key=_derived(root, f"tag {purpose}"), digest_size=_TAG)


@cache
def _signer(root: bytes, purpose: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(_derived(root, f"sign {purpose}"))


@cache
def _derived(secret: bytes, purpose: str) -> bytes:
    """One secret for one purpose. Few secrets and few purposes: the cache stays small."""
    return HKDF(SHA256(), 32, salt=None, info=f"onegrid {purpose}".encode()).derive(secret)


def is_signed(public_key: bytes, data: bytes, signature: bytes) -> bool:
    """Whether the holder of this Ed25519 key signed the data."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def token_hash(token: str) -> bytes:
    """What is stored of a bearer token; the token itself is 128 random bits, so a plain hash suffices."""
    return hashlib.sha256(token.encode()).digest()
