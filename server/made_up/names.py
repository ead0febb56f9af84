"""Believable made-up Chinese values: people, numbers, places and firms, drawn from the Random that is given.

Numbers are well-formed and pass their check digits, no more: none is looked up, and a match with a real one
is chance.
"""

from datetime import date
from importlib.resources import files
from random import Random
from typing import Final

import msgspec
from msgspec import Struct

from schemas.identity import credit_check_character, id_check_character


class _Words(Struct, frozen=True):
    """What names are made of; surnames stand in falling order of how common they are."""

    surnames: str
    double_surnames: tuple[str, ...]
    given_men: str
    given_women: str
    roads: tuple[str, ...]
    compound_heads: tuple[str, ...]
    compound_tails: tuple[str, ...]
    shop_heads: tuple[str, ...]
    shop_tails: tuple[str, ...]
    company_heads: tuple[str, ...]
    company_trades: tuple[str, ...]


class Locality(Struct, frozen=True):
    """A street and its county; `roads` and `compounds` are those of the neighbourhood, any if there are none."""

    county_code: str = "341182"
    county_zh: str = "明光市"
    street_zh: str = "明光街道"
    roads: tuple[str, ...] = ()
    compounds: tuple[str, ...] = ()


MINGGUANG: Final = Locality()
_WORDS: Final = msgspec.json.decode((files("server.made_up") / "data" / "words.json").read_bytes(), type=_Words)
_MOBILE_PREFIXES: Final = ("13", "15", "17", "18", "19")
_ORGANISATION_WEIGHTS: Final = (3, 7, 9, 10, 5, 8, 4, 2)
_ORGANISATION_CHECKS: Final = "0X987654321"
_ORGANISATION_HEADS: Final = ("MA", "MA", "32", "55", "78", "06")
_PLATE_LETTERS: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ"


def person_name(rng: Random, male: bool | None = None) -> str:
    """A name of two or three characters, rarely four; a sex is drawn if none is given."""
    given = _WORDS.given_men if _is_male(rng, male) else _WORDS.given_women
    surname = rng.choice(_WORDS.double_surnames) if rng.random() < 0.01 else _surname(rng)
    return surname + "".join(rng.choices(given, k=1 if rng.random() < 0.22 else 2))


def mobile(rng: Random) -> str:
    """A mobile number of eleven digits."""
    return f"{rng.choice(_MOBILE_PREFIXES)}{rng.randrange(10**9):09}"


def resident_id(rng: Random, birth: date, male: bool | None = None, area: str = "341182") -> str:
    """A resident identity number by GB 11643-1999: area, birth date, serial (odd for men), check."""
    return numbered_resident_id(area, birth, rng.randrange(1 if _is_male(rng, male) else 2, 999, 2))


def numbered_resident_id(area: str, birth: date, serial: int) -> str:
    """The resident identity number with this serial of three digits."""
    body = f"{area}{birth:%Y%m%d}{serial:03}"
    return body + id_check_character(body)


def credit_code(rng: Random, where: Locality = MINGGUANG) -> str:
    """A unified social credit code by GB 32100-2015 whose inner organisation code passes GB 11714 too."""
    return numbered_credit_code(rng.choice(_ORGANISATION_HEADS), rng.randrange(10**6), where)


def numbered_credit_code(head: str, number: int, where: Locality = MINGGUANG) -> str:
    """The credit code of the organisation whose own code begins with `head` and has this number of six digits."""
    organisation = f"{head}{number:06}"
    total = sum(int(sign, 36) * by for sign, by in zip(organisation, _ORGANISATION_WEIGHTS, strict=True))
    body = f"91{where.county_code}{organisation}{_ORGANISATION_CHECKS[total % 11]}"
    return body + credit_check_character(body)


def plate(rng: Random) -> str:
    """A number plate of Chuzhou (皖M), one in five with six signs as electric cars have."""
    if rng.random() < 0.2:
        return f"皖M{rng.choice('DF')}{rng.randrange(10**5):05}"
    signs = [*rng.choices(_PLATE_LETTERS, k=rng.randint(0, 2)), *rng.choices("0123456789", k=5)][:5]
    rng.shuffle(signs)
    return "皖M" + "".join(signs)


def road(rng: Random, where: Locality = MINGGUANG) -> str:
    """A road's name."""
    return rng.choice(where.roads or _WORDS.roads)


def compound(rng: Random, where: Locality = MINGGUANG) -> str:
    """A residential compound's name."""
    if where.compounds:
        return rng.choice(where.compounds)
    return rng.choice(_WORDS.compound_heads) + rng.choice(_WORDS.compound_tails)


def shop(rng: Random) -> str:
    """A shop's name."""
    return rng.choice(_WORDS.shop_heads) + rng.choice(_WORDS.shop_tails)


def company(rng: Random, where: Locality = MINGGUANG) -> str:
    """A company's full name."""
    return f"{where.county_zh}{rng.choice(_WORDS.company_heads)}{rng.choice(_WORDS.company_trades)}有限公司"


def address(rng: Random, where: Locality = MINGGUANG) -> str:
    """A standard address down to the compound or house number."""
    place = compound(rng, where) if rng.random() < 0.7 else ""
    return f"安徽省滁州市{where.county_zh}{where.street_zh}{road(rng, where)}{rng.randint(1, 388)}号{place}"


def unit_no(rng: Random) -> str:
    """Building, unit and room, such as 3-2-501."""
    return f"{rng.randint(1, 32)}-{rng.randint(1, 4)}-{rng.randint(1, 18)}{rng.randint(1, 4):02}"


def _is_male(rng: Random, male: bool | None) -> bool:
    return rng.random() < 0.5 if male is None else male


def _surname(rng: Random) -> str:
    return _WORDS.surnames[min(int(rng.expovariate(1.0 / 24.0)), len(_WORDS.surnames) - 1)]
