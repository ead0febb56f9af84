"""What is found in the bytes of a photo, and what is refused."""

from __future__ import annotations

import io
import struct
import zlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from server.errors import CATALOGUE
from server.storage.photos import Identity, Photo, PhotoRefused, examine
from sync.evidence import PLACE_TOLERANCE_M, TIME_TOLERANCE, Claim, compare_claim, shown_state, state_after_refusal
from tests.unit.pictures import encoded, exif, identity, jpeg, picture

CHUZHOU = (118.3162, 32.3017)


def refusal(data: bytes, claimed: Identity | None = None) -> str:
    with pytest.raises(PhotoRefused) as caught:
        examine(data, claimed or identity(data))
    assert caught.value.code in CATALOGUE
    return caught.value.code


def found_in(data: bytes) -> Photo:
    return examine(data, identity(data))


@pytest.mark.parametrize(("form", "media_type"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp")])
def test_type_and_measures_come_from_the_bytes(form: str, media_type: str) -> None:
    photo = found_in(encoded(picture(size=(900, 600)), form))

    assert (photo.media_type, photo.width, photo.height) == (media_type, 900, 600)
    with Image.open(io.BytesIO(photo.thumbnail)) as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("JPEG", (320, 213))
        red, green, blue = thumbnail.getpixel((40, 100))
        assert red > 180
        assert max(green, blue) < 60


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "1", "I;16"])
def test_every_way_of_storing_colour_has_a_thumbnail(mode: str) -> None:
    assert found_in(encoded(Image.new(mode, (500, 400)), "PNG")).thumbnail.startswith(b"\xff\xd8")


def test_what_is_transparent_is_white_in_the_thumbnail() -> None:
    photo = found_in(encoded(Image.new("RGBA", (10, 10), (0, 0, 0, 0)), "PNG"))

    with Image.open(io.BytesIO(photo.thumbnail)) as thumbnail:
        assert min(thumbnail.getpixel((5, 5))) > 250


def test_a_small_picture_is_not_enlarged() -> None:
    with Image.open(io.BytesIO(found_in(jpeg(size=(30, 20))).thumbnail)) as thumbnail:
        assert thumbnail.size == (30, 20)


def test_bytes_that_are_not_those_declared() -> None:
    data = jpeg()

    assert refusal(data, Identity(identity(data).sha256, len(data) + 1)) == "photo_size_differs"
    assert refusal(jpeg(1), Identity(identity(data).sha256, len(jpeg(1)))) == "photo_hash_differs"


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_truncated_jpeg_is_refused(share: float) -> None:
    data = encoded(Image.effect_noise((800, 600), 80).convert("RGB"))

    assert refusal(data[: int(len(data) * share)]) == "photo_undecodable"


def test_a_truncated_png_is_refused() -> None:
    data = encoded(Image.effect_noise((300, 300), 80), "PNG")

    assert refusal(data[: len(data) // 2]) == "photo_undecodable"


@pytest.mark.parametrize(
    "data",
    [
        b"%PDF-1.7 not a photo at all",
        encoded(picture(), "GIF"),
        encoded(picture(), "BMP"),
        encoded(picture(), "TIFF"),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\x00",
    ],
)
def test_another_type_is_refused_whatever_its_name_says(data: bytes) -> None:
    assert refusal(data) == "photo_type_unknown"


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    assert refusal(tiny_png_of(20_000, 20_000)) == "photo_too_many_pixels"
    assert refusal(tiny_png_of(6_000, 5_000)) == "photo_too_many_pixels"


def test_what_phones_write_at_most_is_taken() -> None:
    assert found_in(encoded(Image.new("RGB", (9248, 6936)))).width == 9248


def test_a_progressive_jpeg_may_not_have_more_passes_than_a_camera_would_write() -> None:
    data = encoded(picture(), progressive=True)
    assert found_in(data).width == 640

    start = data.rindex(b"\xff\xda")
    many = data[:start] + data[start:-2] * 70 + b"\xff\xd9"
    assert refusal(many) == "photo_undecodable"


def test_time_and_place_are_the_cameras_claims() -> None:
    photo = found_in(jpeg(taken="2026:03:05 09:30:00", place=CHUZHOU))

    assert photo.taken_at == datetime(2026, 3, 5, 1, 30, tzinfo=UTC)
    assert photo.place == pytest.approx(CHUZHOU, abs=1e-5)


def test_an_offset_is_heeded() -> None:
    photo = found_in(jpeg(taken="2026:03:05 09:30:00", offset="-05:30"))

    assert photo.taken_at == datetime(2026, 3, 5, 15, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "claims",
    [
        {"taken": "1970:01:01 00:00:00"},
        {"taken": "0000:00:00 00:00:00"},
        {"taken": "yesterday"},
        {"place": (0.0, 0.0)},
    ],
)
def test_what_a_camera_cannot_mean_is_not_a_claim(claims: dict[str, object]) -> None:
    photo = found_in(jpeg(**claims))

    assert (photo.taken_at, photo.place) == (None, None)


@pytest.mark.parametrize(("orientation", "red_side"), [(1, "left"), (3, "right"), (6, "top"), (8, "bottom")])
def test_a_thumbnail_stands_upright(orientation: int, red_side: str) -> None:
    photo = found_in(jpeg(orientation=orientation))

    spots = {"left": (5, 120), "right": (-5, 120), "top": (120, 5), "bottom": (120, -5)}
    with Image.open(io.BytesIO(photo.thumbnail)) as thumbnail:
        width, height = thumbnail.size
        reds = {side for side, (x, y) in spots.items() if thumbnail.getpixel((x % width, y % height))[0] > 180}
    assert red_side in reds
    assert {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}[red_side] not in reds


def test_nothing_of_the_metadata_is_left_in_a_thumbnail() -> None:
    thumbnail = found_in(jpeg(taken="2026:03:05 09:30:00", place=CHUZHOU)).thumbnail

    with Image.open(io.BytesIO(thumbnail)) as image:
        assert dict(image.getexif()) == {}
    assert b"Exif" not in thumbnail
    assert b"2026" not in thumbnail


@given(st.binary(max_size=400), st.integers(0, 600), st.sampled_from(["JPEG", "PNG", "WEBP"]))
def test_damage_is_a_refusal_or_a_photo_and_never_an_error(noise: bytes, at: int, form: str) -> None:
    data = bytearray(encoded(picture(size=(64, 48)), form, exif=exif(taken="2026:03:05 09:30:00", place=CHUZHOU)))
    data[at : at + len(noise)] = noise

    code, photo = None, None
    try:
        photo = found_in(bytes(data))
    except PhotoRefused as refused:
        code = refused.code

    assert code in CATALOGUE if photo is None else photo.thumbnail.startswith(b"\xff\xd8")


def test_claims_are_compared() -> None:
    at = datetime(2026, 3, 5, 1, 30, tzinfo=UTC)
    claim = Claim(at, CHUZHOU, 20.0)
    metre_north = 1 / 111_195
    near = (CHUZHOU[0], CHUZHOU[1] + metre_north * (PLACE_TOLERANCE_M + 15))
    far = (CHUZHOU[0], CHUZHOU[1] + metre_north * (PLACE_TOLERANCE_M + 25))

    assert compare_claim(None, None, claim) == ["no_exif"]
    assert compare_claim(at + TIME_TOLERANCE, near, claim) == []
    assert compare_claim(at - TIME_TOLERANCE - timedelta(seconds=1), near, claim) == ["exif_time_differs"]
    assert compare_claim(at, far, claim) == ["exif_place_differs"]
    assert compare_claim(None, far, claim) == ["exif_place_differs"]
    assert compare_claim(at, far, Claim(at)) == []


def test_readers_see_what_came_of_a_photo_and_not_how_it_travels() -> None:
    shown = [shown_state(state) for state in ("declared", "uploading", "stored", "verified", "refused")]

    assert shown == ["declared", "declared", "declared", "verified", "refused"]


def test_a_refused_upload_leaves_the_photo_to_the_others_that_have_arrived() -> None:
    assert state_after_refusal({"stored", "open"}) == "stored"
    assert state_after_refusal({"open"}) == "refused"
    assert state_after_refusal(set()) == "refused"


def tiny_png_of(width: int, height: int) -> bytes:
    """A PNG of these measures in a few hundred kilobytes: rows of zeros pack a thousandfold."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(1 + (width + 7) // 8) * 100) for _ in range(height // 100))
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", rows + packer.flush()), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in chunks)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
