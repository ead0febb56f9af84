"""Cases from report to closing, and every way out of the straight course."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from schemas.catalogue import item_types, load
from sync.access import Assignment, ItemFacts, Organisation
from sync.case_state import CaseState, Circumstances, Given, overdue, photo_needs
from sync.case_table import TRANSITIONS, exits_of, state_table
from sync.cases import advance, open_case, revised, transition
from sync.duties import SYSTEM, Actor, case_actor
from sync.refusal import Refusal
from sync.rules import apply_rules

CATALOGUE = load()
TYPES = item_types(CATALOGUE)
NOW = datetime(2025, 6, 18, 2, 0, tzinfo=UTC)
FIRE = Organisation(UUID(int=50), "xiaofang", "341102000000")
POLICE = Organisation(UUID(int=51), "gongan", "341102001000")
PETITIONS = Organisation(UUID(int=52), "xinfang", "341102001000")

DESK = Actor(UUID(int=1), frozenset({"dispatcher"}))
CHIEF = Actor(UUID(int=2), frozenset({"grid_chief"}))
CENTRE = Actor(UUID(int=3), frozenset({"county_centre"}))
STREET = Actor(UUID(int=4), frozenset({"street"}))
COMMUNITY = Actor(UUID(int=5), frozenset({"community"}))
FIREMAN = Actor(UUID(int=6), frozenset({"department_handler"}), frozenset({FIRE.id}))
POLICEMAN = Actor(UUID(int=7), frozenset({"department_handler"}), frozenset({POLICE.id}))
SERVER = Actor(None, frozenset({SYSTEM}))


class World:
    """One case and the circumstances it lives in; `do` must be allowed, `refusal` must not."""

    def __init__(self, code: str, urgency: str | None = None, **fields: object) -> None:
        self.ruling = apply_rules(TYPES[code], fields, urgency)
        self.now = Circumstances(
            item_type=TYPES[code],
            catalogue=CATALOGUE,
            now=NOW,
            review_approved=True,
            report_verified=9,
            close_verified=9,
        )
        self.case: CaseState = self.opened()

    def opened(self, organisation: Organisation | None = None, **now: object) -> CaseState:
        self.now = replace(self.now, **now)  # type: ignore[arg-type]
        opened = open_case(self.ruling, self.now, organisation)
        assert opened is not None
        self.case = opened
        return opened

    def attempt(self, action: str, actor: Actor, **given: object) -> CaseState | Refusal:
        return transition(self.case, action, actor, self.case.state, self.now, Given(**given))  # type: ignore[arg-type]

    def do(self, action: str, actor: Actor, **given: object) -> CaseState:
        result = self.attempt(action, actor, **given)
        assert isinstance(result, CaseState), result
        self.case = result
        return result

    def refusal(self, action: str, actor: Actor, **given: object) -> str:
        result = self.attempt(action, actor, **given)
        assert isinstance(result, Refusal), result
        assert result.zh
        assert result.en
        return result.code

    def later(self, hours: float) -> "World":
        self.now = replace(self.now, now=self.now.now + timedelta(hours=hours))
        return self

    def dispatched(self) -> "World":
        self.do("accept", DESK)
        self.do("dispatch", DESK, organisation=FIRE)
        return self

    def signed(self) -> "World":
        self.dispatched().do("sign", FIREMAN)
        return self

    def closed(self) -> "World":
        self.signed().do("handle", FIREMAN)
        self.do("verify", CHIEF)
        self.do("close", DESK)
        return self


def test_the_straight_course() -> None:
    world = World("0401", "normal").signed()
    assert world.case.organisation == FIRE
    assert world.case.respond_by == NOW + timedelta(hours=24)
    assert world.case.handle_by == NOW + timedelta(hours=72)
    handled = world.later(5).do("handle", FIREMAN)
    assert (handled.handled_at, handled.handled_by) == (NOW + timedelta(hours=5), FIREMAN.user_id)
    world.do("verify", CHIEF)
    assert world.do("close", DESK).state == "closed"
    assert world.case.closed_at == NOW + timedelta(hours=5)


def test_a_transition_names_the_state_it_leaves() -> None:
    world = World("0401")
    world.do("accept", DESK)
    late = transition(world.case, "accept", DESK, "reported", world.now)
    assert isinstance(late, Refusal)
    assert (late.code, late.state) == ("late_transition", "accepted")
    assert world.refusal("handle", FIREMAN) == "late_transition"
    assert world.refusal("explode", DESK) == "parameter_invalid"


def test_normal_cases_wait_for_review_and_urgent_ones_do_not() -> None:
    normal, urgent = World("0401", "normal"), World("0401", "urgent")
    normal.opened(review_approved=False)
    urgent.opened(review_approved=False)
    assert normal.refusal("accept", DESK) == "review_pending"
    assert urgent.dispatched().case.state == "dispatched"
    urgent.do("sign", FIREMAN)
    urgent.do("handle", FIREMAN)
    urgent.do("verify", CHIEF)
    assert urgent.refusal("close", DESK) == "review_pending"


def test_closing_needs_verified_photos_or_a_reason_to_waive_them() -> None:
    world = World("0401").signed()
    world.do("handle", FIREMAN)
    world.now = replace(world.now, close_verified=0)
    assert world.refusal("verify", CHIEF) == "evidence_not_verified"
    assert world.refusal("verify", CHIEF, waiver="  ") == "evidence_not_verified"
    assert world.do("verify", CHIEF, waiver="现场已拆除").waiver == "现场已拆除"
    assert world.do("close", DESK).waiver == "现场已拆除"


def test_photos_may_have_gone_missing_between_the_check_and_closing() -> None:
    world = World("0401").signed()
    world.do("handle", FIREMAN)
    world.do("verify", CHIEF)
    world.now = replace(world.now, report_verified=0)
    assert world.refusal("close", DESK) == "evidence_not_verified"


@pytest.mark.parametrize(
    ("code", "urgency", "fixed", "needs"),
    [
        ("0401", "critical", False, (1, 1)),
        ("0801", "critical", False, (0, 0)),
        ("0601", "normal", False, (1, 1)),
        ("0601", "normal", True, (1, 1)),
        ("0603", "normal", False, (2, 1)),
        ("0204", "normal", False, (0, 0)),
    ],
)
def test_photos_needed_for_closing(code: str, urgency: str, fixed: bool, needs: tuple[int, int]) -> None:
    found = photo_needs(TYPES[code], urgency, fixed)
    assert (found.report, found.close) == needs


def test_a_record_has_no_case() -> None:
    now = World("0401").now
    record = replace(now, item_type=TYPES["0101"])
    assert open_case(apply_rules(TYPES["0101"], {}, None), record) is None


def test_what_its_author_closes_is_closed_on_submission_once_its_photos_are_verified() -> None:
    publicity = World("0301")
    assert publicity.case.state == "closed"
    waiting = publicity.opened(report_verified=0)
    assert waiting.state == "reported"
    publicity.now = replace(publicity.now, report_verified=1)
    assert advance(waiting, publicity.ruling, publicity.now).state == "closed"
    visit = World("0203")
    assert visit.opened(review_approved=False, report_verified=0, close_verified=0).state == "closed"


def test_fixed_on_the_spot_closes_in_one_step_with_photos_before_and_after() -> None:
    world = World("0401", fixed_on_site=True)
    assert world.opened(review_approved=False).state == "closed"
    assert world.opened(close_verified=0).state == "reported"


def test_direct_types_go_straight_to_their_department() -> None:
    petition = World("0504")
    sent = petition.opened(PETITIONS, review_approved=False)
    assert (sent.state, sent.organisation, sent.dispatched_at) == ("dispatched", PETITIONS, NOW)
    normal = World("0504", "normal")
    waiting = normal.opened(PETITIONS, review_approved=False)
    assert waiting.state == "reported"
    normal.now = replace(normal.now, review_approved=True)
    assert advance(waiting, normal.ruling, normal.now, PETITIONS).state == "dispatched"
    assert World("0401").opened(FIRE).state == "reported"


def test_a_direct_case_is_closed_by_the_desk_of_its_department() -> None:
    world = World("0504")
    world.opened(PETITIONS)
    officer = Actor(UUID(int=9), frozenset({"department_handler"}), frozenset({PETITIONS.id}))
    world.do("sign", officer)
    world.do("handle", officer)
    assert world.refusal("close", officer) == "forbidden"
    assert world.do("close", DESK).state == "closed"
    fire = World("0401").signed()
    fire.do("handle", FIREMAN)
    assert fire.refusal("close", DESK) == "late_transition"


def test_only_the_organisation_that_leads_signs_and_handles() -> None:
    world = World("0401").dispatched()
    world.do("attach", DESK, organisation=POLICE)
    assert world.case.assisting == (POLICE,)
    assert world.do("attach", FIREMAN, organisation=POLICE).assisting == (POLICE,)
    assert world.refusal("sign", POLICEMAN) == "forbidden"
    assert world.refusal("attach", POLICEMAN, organisation=FIRE) == "forbidden"
    world.do("sign", FIREMAN)
    assert world.do("handle", FIREMAN).assisting == (POLICE,)


def test_a_case_goes_only_where_it_may_be_read() -> None:
    world = World("0502", "urgent")
    world.do("accept", DESK)
    assert world.refusal("dispatch", DESK, organisation=POLICE) == "organisation_unsuitable"
    assert world.refusal("dispatch", DESK) == "organisation_unsuitable"


def test_declining_gives_a_reason_of_its_own_list() -> None:
    world = World("0401")
    assert world.refusal("decline", DESK) == "reason_needed"
    assert world.refusal("decline", DESK, reason="sb_wrong_tier") == "reason_unknown"
    assert world.refusal("decline", CHIEF, reason="na_not_found") == "forbidden"
    assert world.do("decline", DESK, reason="na_not_found").state == "not_accepted"


def test_sending_back_is_asked_for_and_approved() -> None:
    world = World("0401").dispatched()
    asked = world.do("send_back", FIREMAN, reason="sb_wrong_department")
    assert asked.state == "dispatched"
    assert asked.asked is not None
    assert world.refusal("send_back", FIREMAN, reason="sb_wrong_tier") == "late_transition"
    assert world.refusal("approve", DESK) == "late_transition"
    assert world.refusal("approve", FIREMAN, request="send_back") == "forbidden"
    back = world.do("approve", DESK, request="send_back")
    assert (back.state, back.organisation, back.asked) == ("sent_back", None, None)
    assert world.do("dispatch", DESK, organisation=POLICE).department == "gongan"


def test_a_request_may_be_refused_or_withdrawn() -> None:
    world = World("0401").dispatched()
    world.do("send_back", FIREMAN, reason="sb_wrong_department")
    assert world.do("refuse", DESK, request="send_back").asked is None
    world.do("send_back", FIREMAN, reason="sb_wrong_department")
    assert world.refusal("withdraw", DESK, request="send_back") == "forbidden"
    assert world.do("withdraw", FIREMAN, request="send_back").state == "dispatched"


def test_a_request_lapses_when_the_case_moves_on() -> None:
    world = World("0401").dispatched()
    world.do("send_back", FIREMAN, reason="sb_wrong_department")
    assert world.do("sign", FIREMAN).asked is None
    world.do("extend", FIREMAN, reason="ex_weather", until=NOW + timedelta(days=9))
    assert world.do("attach", DESK, organisation=POLICE).asked is not None


def test_a_request_lapses_when_another_organisation_gets_the_case() -> None:
    world = World("0401").dispatched()
    world.do("send_back", FIREMAN, reason="sb_wrong_department")
    assert world.do("dispatch", DESK, organisation=POLICE).asked is None


def test_an_extension_moves_the_deadline_once_approved() -> None:
    world = World("0401", "normal").signed()
    until = NOW + timedelta(days=9)
    assert world.refusal("extend", FIREMAN, reason="ex_weather") == "parameter_invalid"
    early = NOW + timedelta(hours=71)
    assert world.refusal("extend", FIREMAN, reason="ex_weather", until=early) == "parameter_invalid"
    world.do("extend", FIREMAN, reason="ex_weather", until=until)
    assert world.case.handle_by == NOW + timedelta(hours=72)
    extended = world.do("approve", STREET, request="extend", until=NOW + timedelta(days=99))
    assert (extended.state, extended.handle_by, extended.asked) == ("signed", until, None)


def test_the_clock_stands_still_on_hold() -> None:
    world = World("0401", "normal").signed().later(10)
    world.do("hold", STREET, reason="oh_funding")
    own = Actor(STREET.user_id, frozenset({"county_centre"}))
    assert world.refusal("approve", own, request="hold") == "own_work"
    assert world.do("approve", CENTRE, request="hold").state == "on_hold"
    world.later(1000)
    assert overdue(world.case, world.now.now) == ()
    resumed = world.do("resume", STREET)
    assert (resumed.state, resumed.held) == ("signed", None)
    assert resumed.handle_by == NOW + timedelta(hours=1010 + 62)


def test_what_was_overdue_before_the_hold_stays_overdue() -> None:
    world = World("0401", "normal").signed().later(80)
    world.do("hold", FIREMAN, reason="oh_funding")
    world.do("approve", CENTRE, request="hold")
    assert world.later(10).do("resume", FIREMAN).handle_by == NOW + timedelta(hours=72)


def test_voiding() -> None:
    world = World("0401")
    assert world.refusal("void", COMMUNITY, reason="vo_test") == "forbidden"
    world.do("void", CHIEF, reason="vo_test")
    assert world.do("approve", COMMUNITY, request="void").state == "void"
    assert world.refusal("reopen", DESK, note="?") == "late_transition"


def test_a_failed_check_on_site_goes_back_to_the_department() -> None:
    world = World("0401").signed()
    world.do("handle", FIREMAN)
    assert world.refusal("redo", CHIEF) == "note_needed"
    again = world.do("redo", CHIEF, note="隐患仍在")
    assert (again.state, again.handled_at) == ("signed", None)


def test_reopening_begins_a_new_round() -> None:
    world = World("0401", "normal").closed().later(100)
    assert world.refusal("reopen", CHIEF) == "note_needed"
    anew = world.do("reopen", CHIEF, note="又堵了")
    assert (anew.state, anew.organisation, anew.waiver) == ("reopened", None, None)
    assert anew.handle_by == NOW + timedelta(hours=172)
    assert world.do("dispatch", DESK, organisation=FIRE).state == "dispatched"


def test_overdue_cases_escalate_tier_by_tier() -> None:
    world = World("0401", "urgent")
    assert world.refusal("escalate", SERVER) == "not_overdue"
    assert overdue(world.case, NOW + timedelta(hours=2)) == ("accept",)
    world.later(2)
    tiers = [world.do("escalate", SERVER).escalated_to for _ in range(3)]
    assert tiers == ["street", "county", "city"]
    assert world.refusal("escalate", SERVER) == "not_overdue"
    world.dispatched()
    assert overdue(world.case, NOW + timedelta(hours=23)) == ("respond",)
    assert overdue(world.case, NOW + timedelta(hours=25)) == ("respond", "handle")


def test_an_operator_sets_the_urgency_and_the_deadlines_follow() -> None:
    world = World("0401", "normal").later(1)
    assert world.refusal("set_urgency", DESK, urgency="whenever") == "parameter_invalid"
    assert world.do("set_urgency", DESK, urgency="critical").handle_by == NOW + timedelta(hours=2)


def test_a_new_revision_changes_what_nobody_took_up_yet() -> None:
    world = World("0404", "normal")
    dike = apply_rules(TYPES["0404"], {"hazards": ["dike"]}, "normal")
    changed = revised(world.case, dike, world.now)
    assert (changed.urgency, changed.department) == ("critical", "shuili")
    assert changed.handle_by == NOW + timedelta(hours=1)
    world.do("accept", DESK)
    assert revised(world.case, dike, world.now) == world.case


def test_a_visit_that_turns_into_a_case_is_reported_anew() -> None:
    visit = World("0702")
    assert visit.case.state == "closed"
    no_answer = apply_rules(TYPES["0702"], {"no_answer": True}, None)
    anew = revised(visit.case, no_answer, visit.later(1).now)
    assert (anew.state, anew.urgency, anew.closed_at) == ("reported", "critical", None)
    assert anew.handle_by == NOW + timedelta(hours=3)


# In what capacity a person acts -----------------------------------------------------------------------------


def actor(code: str, role: str, division: str, department: str | None = None) -> Actor:
    held = Assignment(role=role, division=division, department=department, valid_from=NOW)
    facts = ItemFacts(
        type=code, grid_id=UUID(int=10), grid_code="341102001002001", author_id=UUID(int=99), holders=(FIRE,)
    )
    return case_actor(UUID(int=1), (held,), facts, TYPES[code])


def test_offices_act_in_their_area_and_handlers_for_what_they_hold() -> None:
    assert actor("0401", "dispatcher", "341102000000").roles == {"dispatcher"}
    assert actor("0401", "dispatcher", "341103000000").roles == set()
    assert actor("0503", "county_centre", "341102000000").roles == {"county_centre"}
    handler = actor("0401", "department_handler", "341102000000", "xiaofang")
    assert (handler.roles, handler.organisation_ids) == ({"department_handler"}, {FIRE.id})
    assert actor("0401", "department_handler", "341102000000", "gongan").roles == set()
    assert actor("0401", "administrator", "341102000000").roles == set()


def test_the_desk_of_a_direct_type_is_its_lead_department() -> None:
    assert actor("0204", "dispatcher", "341102000000").roles == set()
    assert actor("0204", "department_handler", "341102000000", "gongan").roles == {"dispatcher"}


def test_a_grid_team_acts_in_its_own_grid_on_what_it_may_read() -> None:
    facts = ItemFacts(type="0501", grid_id=UUID(int=10), grid_code="341102001002001", author_id=UUID(int=99))
    chief = Assignment(role="grid_chief", grid_id=UUID(int=10), valid_from=NOW)
    worker = Assignment(role="grid_worker", grid_id=UUID(int=10), valid_from=NOW)
    assert case_actor(UUID(int=1), (chief, worker), facts, TYPES["0501"]).roles == {"grid_chief"}
    assert case_actor(UUID(int=1), (chief,), replace(facts, grid_id=UUID(int=11)), TYPES["0401"]).roles == set()


# The table --------------------------------------------------------------------------------------------------


def test_every_exit_of_the_catalogue_is_in_the_table() -> None:
    assert {line.exit_code for line in TRANSITIONS if line.exit_code} == exits_of(CATALOGUE).keys()
    assert all(bool(line.roles) != bool(line.exit_code) for line in TRANSITIONS)


def test_the_table_tells_who_and_what_is_needed() -> None:
    rows = {(row.action, row.from_state): row for row in state_table(CATALOGUE)}
    hold = rows["hold", "signed"]
    assert (hold.to_state, hold.who, hold.approved_by) == (
        "on_hold",
        ("department_handler", "street"),
        ("county_centre",),
    )
    assert rows["close", "verified"].needs_en
    assert len(rows) == sum(len(line.from_states) for line in TRANSITIONS)
