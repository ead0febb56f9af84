"""Checks of identity numbers, credit codes, plates and telephone numbers.

Each function takes the text as written on the document (upper case) and gives a fault code, or None for a
well-formed one. Well-formed is all it says: a check digit proves nobody's existence. Area codes are not
looked up: a resident keeps the number for life while codes are withdrawn.

Sources: GB 11643-1999 (resident identity number, ISO 7064 MOD 11-2), GB 32100-2015 (unified social credit
code), the residence permits of Hong Kong, Macao and Taiwan residents, and the permanent resident cards of
2017 and 2023. Plates are checked by form only.
"""

import re
from datetime import date
from operator import mul

_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECKS = "10X98765432"
_ZEROS = ord("0") * sum(_ID_WEIGHTS)
_CREDIT_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_CREDIT_VALUES = {character: value for value, character in enumerate(_CREDIT_ALPHABET)}
_CREDIT_WEIGHTS = tuple(3**place % 31 for place in range(17))

_RESIDENT = re.compile(r"[0-9]{17}[0-9X]")
_HMT = re.compile(r"8[123]0000[0-9]{11}[0-9X]")
_FOREIGN_2023 = re.compile(r"9[0-9]{16}[0-9X]")
_FOREIGN_2017 = re.compile(r"[A-Z]{3}[0-9]{12}")
_PASSPORT = re.compile(r"[A-Z0-9]{5,20}")
_CREDIT = re.compile(r"[0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}")
_PLATE = re.compile(
    r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼]"
    r"[A-HJ-NP-Z][A-HJ-NP-Z0-9]{4,5}[A-HJ-NP-Z0-9挂学警港澳]"
)
_PHONE = re.compile(r"1[3-9][0-9]{9}|0[0-9]{2,3}-?[0-9]{7,8}")


def id_check_character(first17: str) -> str:
    """The check character of 17 digits by MOD 11-2."""
    return _ID_CHECKS[(sum(map(mul, _ID_WEIGHTS, first17.encode())) - _ZEROS) % 11]


def credit_check_character(first17: str) -> str:
    """The check character of the first 17 characters of a unified social credit code."""
    total = sum(map(mul, _CREDIT_WEIGHTS, map(_CREDIT_VALUES.__getitem__, first17)))
    return _CREDIT_ALPHABET[-total % 31]


def check_resident_id(number: str, today: date) -> str | None:
    """A resident identity number of 18 characters; `today` bounds its birth date."""
    if _RESIDENT.fullmatch(number) is None:
        return "id_form"
    return _check_18(number, today)


def check_hmt_permit(number: str, today: date) -> str | None:
    """A residence permit of a Hong Kong, Macao or Taiwan resident; `today` bounds its birth date."""
    if _HMT.fullmatch(number) is None:
        return "id_form"
    return _check_18(number, today)


def check_foreign_resident(number: str) -> str | None:
    """A foreign permanent resident card: the form of 2023 (18 characters) or that of 2017 (15)."""
    if _FOREIGN_2023.fullmatch(number) is not None:
        return None if number[17] == id_check_character(number[:17]) else "id_check_digit"
    return None if _FOREIGN_2017.fullmatch(number) is not None else "id_form"


def check_passport(number: str) -> str | None:
    """A passport number of any state: form only."""
    return None if _PASSPORT.fullmatch(number) is not None else "id_form"


def check_credit_code(code: str) -> str | None:
    """A unified social credit code. Its first two characters are free: registrars add new ones."""
    if _CREDIT.fullmatch(code) is None:
        return "credit_code_form"
    return None if code[17] == credit_check_character(code[:17]) else "credit_code_check"


def check_plate(plate: str) -> str | None:
    """A vehicle plate, electric ones of eight characters included: form only."""
    return None if _PLATE.fullmatch(plate) is not None else "plate_form"


def check_phone(number: str) -> str | None:
    """A mobile number, or a landline with its area code: form only, since prefixes change."""
    return None if _PHONE.fullmatch(number) is not None else "phone_form"


def _check_18(number: str, today: date) -> str | None:
    if number[17] != id_check_character(number[:17]):
        return "id_check_digit"
    try:
        born = date.fromisoformat(number[6:14])
    except ValueError:
        return "id_birth_date"
    return None if born <= today else "id_birth_date"
