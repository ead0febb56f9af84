"""`python -m server.bench.exchange.train`: makes the shared dictionary anew.

Trained on answers in both forms, MessagePack and JSON, with one and with ten entries, of made-up forms of all item
types. Without `--write` it only says what the dictionary would save. Phones that hold the old file are answered in
plain zstd until they have fetched the new one.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import zstandard

from server import shared_dictionary
from server.bench.exchange.samples import Teller

_FILE = Path(shared_dictionary.__file__).with_name("data") / "exchange.dictionary"
_BYTES = 64 * 1024
_MAGIC_AND_ID = 8
_SEED, _OTHER_SEED = 1, 2


def train() -> bytes:
    """The dictionary as raw content: without the magic number, by which it would be taken for a formatted one."""
    teller, samples = Teller(_SEED), list[Any]()
    for form in ("msgpack", "json"):
        samples += teller.answers(1_500, 1, form)
        samples += teller.answers(150, 10, form)
    return zstandard.train_dictionary(_BYTES, samples, level=9).as_bytes()[_MAGIC_AND_ID:]


def saved(dictionary: bytes) -> dict[str, tuple[int, int]]:
    """Mean bytes of an answer with ten entries that was not trained on, without and with the dictionary, by form."""
    raw = zstandard.ZstdCompressionDict(dictionary, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    with_it, without = zstandard.ZstdCompressor(level=9, dict_data=raw), zstandard.ZstdCompressor(level=6)
    told: dict[str, tuple[int, int]] = {}
    for form in ("msgpack", "json"):
        answers = list(Teller(_OTHER_SEED).answers(50, 10, form))
        sizes = [sum(len(one.compress(body)) for body in answers) // len(answers) for one in (without, with_it)]
        told[form] = (sizes[0], sizes[1] + 40)
    return told


def main() -> None:
    """Train, tell, and write where that was asked for."""
    parser = argparse.ArgumentParser(prog="python -m server.bench.exchange.train", description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"replace {_FILE.name}")
    wanted = parser.parse_args()
    dictionary = train()
    for form, (without, with_it) in saved(dictionary).items():
        print(f"{form}: {without} -> {with_it} bytes")
    if wanted.write:
        _FILE.write_bytes(dictionary)
        print(f"{_FILE.name}: {len(dictionary)} bytes")


if __name__ == "__main__":
    main()
