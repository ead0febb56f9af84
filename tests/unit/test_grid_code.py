"""The grid code: its parts, what is no code, and the printed check digit."""

import pytest

from schemas.grid_code import GridCodeError, check_digit, parse_grid_code, parse_printed, printed


def test_parts_of_a_code_are_divisions_of_twelve_digits() -> None:
    grid = parse_grid_code("341182001013901")
    assert (grid.county_code, grid.street_code, grid.community_code) == (
        "341182000000",
        "341182001000",
        "341182001013",
    )
    assert (grid.serial, grid.kind, grid.code) == ("901", "dedicated", "341182001013901")


@pytest.mark.parametrize(
    ("serial", "kind"),
    [
        ("001", "general"),
        ("799", "general"),
        ("801", "temporary"),
        ("899", "temporary"),
        ("901", "dedicated"),
        ("999", "dedicated"),
    ],
)
def test_the_serial_tells_the_kind(serial: str, kind: str) -> None:
    assert parse_grid_code("341103004004" + serial).kind == kind


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "form"),
        ("34110300400400", "form"),
        ("3411030040040010", "form"),
        ("341003004004001", "form"),
        ("34110300400400a", "form"),
        ("341103004004001\n", "form"),
        (" 341103004004001", "form"),
        ("34110300400400１", "form"),
        ("341100004004001", "division"),
        ("341103000004001", "division"),
        ("341103004000001", "division"),
        ("341103004498001", "virtual_community"),
        ("341103004598001", "virtual_community"),
        ("341103004004000", "serial"),
        ("341103004004800", "serial"),
        ("341103004004900", "serial"),
    ],
)
def test_what_is_no_code_is_refused_with_its_fault(text: str, fault: str) -> None:
    with pytest.raises(GridCodeError) as refusal:
        parse_grid_code(text)
    assert refusal.value.fault == fault
    assert refusal.value.zh
    assert refusal.value.en


@pytest.mark.parametrize(
    ("code", "check"),
    [
        ("341103004004001", "6"),
        ("341102004001001", "9"),
        ("341122100021001", "7"),
        ("341103004004901", "3"),
    ],
)
def test_published_check_digits(code: str, check: str) -> None:
    assert printed(code) == code + check
    assert parse_printed(code + check).code == code


def test_the_example_of_the_standard_has_its_check_digit() -> None:
    """ISO 7064 gives 0794 with check digit 5 as its example of MOD 11,10."""
    assert check_digit("0794") == "5"


def test_every_single_wrong_digit_of_a_printed_code_is_found() -> None:
    right = printed("341182001007012")
    wrong = [
        right[:at] + digit + right[at + 1 :] for at in range(len(right)) for digit in "0123456789" if digit != right[at]
    ]
    assert len(wrong) == 16 * 9
    for text in wrong:
        with pytest.raises(GridCodeError) as refusal:
            parse_printed(text)
        assert refusal.value.fault == "check_digit"


@pytest.mark.parametrize("text", ["341103004004001", "34110300400400160", "341103004004001X", "３411030040040016"])
def test_what_is_not_sixteen_digits_is_no_printed_code(text: str) -> None:
    with pytest.raises(GridCodeError) as refusal:
        parse_printed(text)
    assert refusal.value.fault == "printed_form"


def test_only_codes_are_printed() -> None:
    with pytest.raises(GridCodeError):
        printed("341103004004000")
