"""The 15-digit grid code: `CCCCCC SSS VVV NNN`, county, street or town, community, serial in the community.

The first twelve digits are the statistical code of the community (GB/T 2260 county, GB/T 10114 township); the
serial's first digit tells the kind of grid. The code is a label with a validity period, never a key.
Printed plates and QR codes add one check digit, which is not stored.
"""

import re
from typing import Final, Literal

from msgspec import Struct

GridKind = Literal["general", "temporary", "dedicated"]
GridCodeFault = Literal["form", "division", "virtual_community", "serial", "printed_form", "check_digit"]

_FORM: Final = re.compile(r"3411[0-9]{11}")
_PRINTED_FORM: Final = re.compile(r"[0-9]{16}")
_VIRTUAL_COMMUNITIES: Final = frozenset({"498", "598"})
_KINDS: Final[tuple[tuple[range, GridKind], ...]] = (
    (range(1, 800), "general"),
    (range(801, 900), "temporary"),
    (range(901, 1000), "dedicated"),
)
_FAULTS: Final[dict[GridCodeFault, tuple[str, str]]] = {
    "form": ("网格编码应为以3411开头的15位数字", "A grid code is 15 digits that begin with 3411"),
    "division": ("网格必须属于某县某街道的某社区", "A grid belongs to a community of a street of a county"),
    "virtual_community": ("498、598为虚拟社区,不能设网格", "Virtual communities have no grids"),
    "serial": (
        "网格序号应为001-799(全科)、801-899(临时)或901-999(专属)",
        "A grid serial is 001-799 (general), 801-899 (temporary) or 901-999 (dedicated)",
    ),
    "printed_form": ("印刷编码应为16位数字", "A printed grid code is 16 digits"),
    "check_digit": ("校验位不符,请核对编码", "The check digit does not fit: read the code again"),
}


class GridCodeError(ValueError):
    """A text that is no grid code. `fault` is stable; `zh` and `en` tell a person what is wrong."""

    def __init__(self, fault: GridCodeFault) -> None:
        self.fault: Final = fault
        self.zh, self.en = _FAULTS[fault]
        super().__init__(self.en)


class GridCode(Struct, frozen=True):
    """The parts of a grid code as digit strings: 6 + 3 + 3 + 3."""

    county: str
    street: str
    community: str
    serial: str
    kind: GridKind

    @property
    def code(self) -> str:
        """All 15 digits."""
        return self.community_code + self.serial

    @property
    def county_code(self) -> str:
        """The county as a 12-digit division code."""
        return self.county + "000000"

    @property
    def street_code(self) -> str:
        """The street or town as a 12-digit division code."""
        return self.county + self.street + "000"

    @property
    def community_code(self) -> str:
        """The community as a 12-digit division code."""
        return self.county + self.street + self.community


def parse_grid_code(text: str) -> GridCode:
    """Split and check a stored code; raises `GridCodeError`. The community is not looked up."""
    if _FORM.fullmatch(text) is None:
        raise GridCodeError("form")
    county, street, community, serial = text[:6], text[6:9], text[9:12], text[12:]
    if county.endswith("00") or street == "000" or community == "000":
        raise GridCodeError("division")
    if community in _VIRTUAL_COMMUNITIES:
        raise GridCodeError("virtual_community")
    return GridCode(county, street, community, serial, _kind(serial))


def check_digit(digits: str) -> str:
    """The check digit of ISO 7064 MOD 11,10 over a string of digits.

    It finds every wrong single digit and nearly every swap of neighbours.
    """
    product = 10
    for digit in digits:
        total = (product + int(digit)) % 10 or 10
        product = total * 2 % 11
    return str((11 - product) % 10)


def printed(code: str) -> str:
    """The 16 digits that stand on plates and in QR codes; raises `GridCodeError` for no grid code."""
    parse_grid_code(code)
    return code + check_digit(code)


def micro_grid_code(code: str, serial: str) -> str:
    """The code of a micro-grid: that of its grid, a hyphen and its two digits."""
    return f"{code}-{serial}"


def parse_printed(text: str) -> GridCode:
    """Read 16 printed digits; raises `GridCodeError`, `check_digit` before any fault of the code itself."""
    if _PRINTED_FORM.fullmatch(text) is None:
        raise GridCodeError("printed_form")
    if check_digit(text[:-1]) != text[-1]:
        raise GridCodeError("check_digit")
    return parse_grid_code(text[:-1])


def _kind(serial: str) -> GridKind:
    for serials, kind in _KINDS:
        if int(serial) in serials:
            return kind
    raise GridCodeError("serial")
