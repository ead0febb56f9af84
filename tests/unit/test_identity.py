from datetime import date

import pytest

from schemas import identity

TODAY = date(2024, 6, 1)
RESIDENTS = ["34052419800101001X", "11010519491231002X", "440524188001010014"]
CREDIT_CODE = "91350100M000100Y43"


@pytest.mark.parametrize("number", RESIDENTS)
def test_published_resident_numbers_pass(number: str) -> None:
    assert identity.check_resident_id(number, TODAY) is None


@pytest.mark.parametrize("number", RESIDENTS)
def test_each_wrong_digit_of_a_resident_number_is_caught(number: str) -> None:
    for place, right in enumerate(number):
        for wrong in "0123456789" + ("X" if place == 17 else ""):
            if wrong != right:
                broken = number[:place] + wrong + number[place + 1 :]
                assert identity.check_resident_id(broken, TODAY) is not None, broken


@pytest.mark.parametrize("number", RESIDENTS)
def test_swapped_neighbours_are_caught(number: str) -> None:
    for place in range(17):
        if number[place] != number[place + 1]:
            broken = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
            assert identity.check_resident_id(broken, TODAY) is not None, broken


def with_check(first17: str) -> str:
    """The check character by the long way round: the one for which the whole sum is 1 modulo 11."""
    weights = [2**place % 11 for place in range(17, -1, -1)]
    for value in range(11):
        if sum(w * int(d) for w, d in zip(weights, [*first17, value], strict=True)) % 11 == 1:
            return first17 + ("X" if value == 10 else str(value))
    raise AssertionError(first17)


@pytest.mark.parametrize(
    ("first17", "code"),
    [
        ("34110219800230001", "id_birth_date"),
        ("34110219001301001", "id_birth_date"),
        ("34110200000101001", "id_birth_date"),
        ("34110220230229001", "id_birth_date"),
        ("34110220240602001", "id_birth_date"),
        ("34110220240601001", None),
        ("34110220240229001", None),
        ("99999919800101001", None),
    ],
)
def test_the_birth_date_is_real_and_not_in_the_future(first17: str, code: str | None) -> None:
    assert identity.check_resident_id(with_check(first17), TODAY) == code


@pytest.mark.parametrize(
    "number",
    [
        "340524800101001",
        "34052419800101001x",
        "34052419800101001X\n",
        " 34052419800101001X",
        "\uff13\uff14052419800101001X",
        "X4052419800101001X",
        "٣٤٠٥٢٤١٩٨٠٠١٠١٠٠١X",
        "",
    ],
)
def test_other_forms_are_no_resident_number(number: str) -> None:
    assert identity.check_resident_id(number, TODAY) == "id_form"


@pytest.mark.parametrize("area", ["810000", "820000", "830000"])
def test_permits_of_hong_kong_macao_and_taiwan(area: str) -> None:
    number = with_check(area + "19800101001")
    assert identity.check_hmt_permit(number, TODAY) is None
    assert identity.check_hmt_permit(number[:17] + ("0" if number[17] != "0" else "1"), TODAY) == "id_check_digit"
    assert identity.check_hmt_permit(with_check(area + "20991231001"), TODAY) == "id_birth_date"


def test_another_area_is_no_permit() -> None:
    assert identity.check_hmt_permit("34052419800101001X", TODAY) == "id_form"


def test_both_foreign_resident_cards() -> None:
    number = with_check("93412119850607012")
    assert identity.check_foreign_resident(number) is None
    assert identity.check_foreign_resident("USA341185060701") is None
    for place in range(17):
        broken = number[:place] + str((int(number[place]) + 1) % 10) + number[place + 1 :]
        assert identity.check_foreign_resident(broken) in ("id_check_digit", "id_form")
    assert identity.check_foreign_resident("usa341185060701") == "id_form"


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("E12345678", None),
        ("ab12345", "id_form"),
        ("A1", "id_form"),
        ("A" * 21, "id_form"),
        ("E1234 5", "id_form"),
    ],
)
def test_passports(number: str, code: str | None) -> None:
    assert identity.check_passport(number) == code


def test_the_published_credit_code_passes() -> None:
    assert identity.check_credit_code(CREDIT_CODE) is None


def test_each_wrong_character_of_a_credit_code_is_caught() -> None:
    for place, right in enumerate(CREDIT_CODE):
        for wrong in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ":
            if wrong != right:
                broken = CREDIT_CODE[:place] + wrong + CREDIT_CODE[place + 1 :]
                assert identity.check_credit_code(broken) is not None, broken


def test_letters_that_credit_codes_never_use() -> None:
    for letter in "IOSVZ":
        assert identity.check_credit_code(CREDIT_CODE[:8] + letter + CREDIT_CODE[9:]) == "credit_code_form"


def test_a_credit_code_may_begin_with_any_registrar() -> None:
    first17 = "Y9350100M000100Y4"
    assert identity.check_credit_code(first17 + identity.credit_check_character(first17)) is None


@pytest.mark.parametrize(
    ("plate", "good"),
    [
        ("皖M12345", True),
        ("皖MD12345", True),
        ("皖M1234学", True),
        ("粤Z1234港", True),
        ("皖M1234", False),
        ("皖I12345", False),
        ("M12345", False),
        ("皖MO1234", False),
        ("皖m12345", False),
        ("皖M12345\n", False),
    ],
)
def test_plates(plate: str, good: bool) -> None:
    assert (identity.check_plate(plate) is None) == good


@pytest.mark.parametrize(
    ("number", "good"),
    [
        ("13855012345", True),
        ("05503012345", True),
        ("0550-3012345", True),
        ("010-12345678", True),
        ("12855012345", False),
        ("1385501234", False),
        ("138550123456", False),
        ("3012345", False),
        ("13855012345\n", False),
        ("١٣٨٥٥٠١٢٣٤٥", False),
        ("+8613855012345", False),
    ],
)
def test_phones(number: str, good: bool) -> None:
    assert (identity.check_phone(number) is None) == good
