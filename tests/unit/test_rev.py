"""The rev of a revision is what RFC 2104 says, whatever it is computed with."""

from __future__ import annotations

import hmac
from uuid import UUID

import pytest

from sync.items import content_rev

ITEM = UUID("0193b2a4-7c11-7000-8000-0000000000aa")
CONTENT = (
    b'["0193b2a4-7c11-7000-8000-0000000000aa","0401",3,false,"0193b2a4-7c11-7000-8000-0000000000bb","normal",'
    b'{"a":1,"b":["\xe7\xbd\x91"]}]'
)


@pytest.mark.parametrize("secret", [bytes(32), bytes(range(32)), b"\xff" * 32])
def test_a_rev_is_the_first_64_bits_of_an_hmac(secret: bytes) -> None:
    grid = UUID("0193b2a4-7c11-7000-8000-0000000000bb")
    expected = hmac.new(secret, CONTENT, "sha256").hexdigest()[:16]
    assert f"{content_rev(secret, ITEM, '0401', 3, grid, 'normal', {'b': ['网'], 'a': 1}):016x}" == expected
