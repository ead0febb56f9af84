"""The three rates of cases from their counts."""

from __future__ import annotations

from msgspec.structs import replace

from sync.case_figures import Tally, figures

NOTHING = Tally(waiting=0, taken_up=0, handled=0, closed=0, due=0, in_time=0, overdue=0)


def test_three_rates_answer_three_questions() -> None:
    told = figures(Tally(waiting=7, taken_up=200, handled=150, closed=120, due=160, in_time=100, overdue=9))
    assert (told.handling_rate, told.closing_rate, told.punctual_rate) == (0.75, 0.6, 0.625)


def test_of_nothing_there_is_no_rate() -> None:
    told = figures(replace(NOTHING, waiting=3))
    assert (told.handling_rate, told.closing_rate, told.punctual_rate) == (None, None, None)
    late = figures(replace(NOTHING, waiting=1, due=1, overdue=1))
    assert (late.handling_rate, late.punctual_rate) == (None, 0.0)
