"""Random lives of cases: whatever people try, the rules of the design hold at each step."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import event, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.catalogue import item_types, load
from sync.access import Organisation
from sync.case_state import CaseState, Circumstances, Given, overdue, photo_needs
from sync.case_table import ANSWERS, TRANSITIONS
from sync.cases import open_case, transition
from sync.duties import SYSTEM, Actor
from sync.refusal import Refusal
from sync.rules import apply_rules

CATALOGUE = load()
TYPES = item_types(CATALOGUE)
START = datetime(2025, 6, 18, 2, 0, tzinfo=UTC)
FIRE = Organisation(UUID(int=50), "xiaofang", "341102000000")
POLICE = Organisation(UUID(int=51), "gongan", "341102001000")

# Written from the design's section 8, not from the table in the code.
EDGES = {
    "reported": {"accepted", "not_accepted", "void"},
    "accepted": {"dispatched", "not_accepted", "void"},
    "dispatched": {"dispatched", "signed", "not_accepted", "sent_back", "on_hold", "void"},
    "signed": {"handled", "sent_back", "on_hold", "void"},
    "handled": {"verified", "signed", "closed"},
    "verified": {"closed", "signed"},
    "sent_back": {"dispatched", "void"},
    "on_hold": {"dispatched", "signed", "void"},
    "reopened": {"dispatched", "void"},
    "closed": {"reopened"},
    "not_accepted": {"reopened"},
    "void": set[str](),
}
NEVER_BY_ONE_PERSON = {"sent_back", "on_hold", "void"}
ENDED = {"closed", "not_accepted", "void"}

EVERY_ROLE = frozenset({role.code for role in CATALOGUE.roles} | {SYSTEM})
ABLE = [Actor(UUID(int=n), EVERY_ROLE, frozenset({FIRE.id, POLICE.id})) for n in (11, 12)]
ACTORS = [
    *ABLE,
    Actor(UUID(int=1), frozenset({"dispatcher"})),
    Actor(UUID(int=2), frozenset({"grid_chief"})),
    Actor(UUID(int=3), frozenset({"county_centre", "street"})),
    Actor(UUID(int=4), frozenset({"community"})),
    Actor(UUID(int=5), frozenset({"department_handler"}), frozenset({FIRE.id})),
    Actor(UUID(int=6), frozenset({"department_handler"}), frozenset({POLICE.id})),
    Actor(None, frozenset({SYSTEM})),
]
REASONS = {
    "decline": "na_duplicate",
    "send_back": "sb_wrong_tier",
    "extend": "ex_weather",
    "hold": "oh_funding",
    "void": "vo_false",
}
FORWARD = {"accept", "dispatch", "sign", "handle", "verify", "close"}
ACTIONS = sorted({line.action for line in TRANSITIONS} | set(ANSWERS))
usually = st.sampled_from([True] * 9 + [False])


@st.composite
def steps(draw: st.DrawFn, case: CaseState) -> tuple[str, Actor, Given]:
    """Mostly an able person and what the state allows, so that cases get far; else anybody and anything."""
    fitting = sorted({line.action for line in TRANSITIONS if case.state in line.from_states})
    fitting += [action for action in fitting if action in FORWARD for _ in range(4)]
    if case.asked is not None:
        fitting += [*ANSWERS, *["approve"] * 20]
    action = draw(st.sampled_from(fitting if fitting and draw(usually) else ACTIONS))
    actor = draw(st.sampled_from(ABLE if draw(usually) else ACTORS))
    asked = case.asked.action if case.asked else None
    given = Given(
        reason=REASONS.get(action) if draw(usually) else draw(st.sampled_from([None, *REASONS.values()])),
        note="说明" if draw(usually) else draw(st.sampled_from([None, " "])),
        organisation=draw(st.sampled_from([FIRE, POLICE])) if draw(usually) else None,
        until=START + timedelta(days=400) if draw(usually) else None,
        urgency=draw(st.sampled_from([None, "normal", "urgent", "critical"])),
        waiver=None if draw(usually) else draw(st.sampled_from([" ", "原因"])),
        request=asked if draw(usually) else draw(st.sampled_from(ACTIONS)),
    )
    return action, actor, given


@st.composite
def passed(draw: st.DrawFn, before: Circumstances) -> Circumstances:
    """The world a while later."""
    return replace(
        before,
        now=before.now + timedelta(minutes=draw(st.integers(0, 3000))),
        review_approved=draw(usually),
        report_verified=2 if draw(usually) else 0,
        close_verified=2 if draw(usually) else 0,
    )


def check_step(before: CaseState, after: CaseState, actor: Actor, world: Circumstances, asked_by: UUID | None) -> None:
    if after.state != before.state:
        assert after.state in EDGES[before.state]
        if before.asked is not None:
            assert after.asked is None
    if after.state == "dispatched" and after.dispatched_at != before.dispatched_at:
        order = CATALOGUE.review_rules.order[before.urgency]
        assert world.review_approved or order == "dispatch_first"
        assert after.organisation in (FIRE, POLICE)
    if after.state in ("verified", "closed") and after.state != before.state:
        needs = photo_needs(world.item_type, after.urgency)
        enough = world.report_verified >= needs.report and world.close_verified >= needs.close
        assert enough or after.waiver
    if after.state == "closed" and before.state != "closed":
        assert world.review_approved
    if after.state in NEVER_BY_ONE_PERSON and before.state != after.state:
        assert before.asked is not None
        assert asked_by != actor.user_id


def check_state(case: CaseState, world: Circumstances) -> None:
    assert (case.closed_at is not None) == (case.state in ENDED)
    assert (case.held is not None) == (case.state == "on_hold")
    if case.state in ("dispatched", "signed", "handled", "verified"):
        assert case.organisation is not None
        assert case.organisation not in case.assisting
    if case.state in ENDED or case.state == "on_hold":
        assert overdue(case, world.now + timedelta(days=9999)) == ()
    if case.asked is not None:
        assert any(line.action == case.asked.action and case.state in line.from_states for line in TRANSITIONS)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), code=st.sampled_from(["0401", "0604", "0503", "0504"]))
def test_no_life_of_a_case_breaks_the_rules(data: st.DataObject, code: str) -> None:
    item_type = TYPES[code]
    ruling = apply_rules(item_type, {}, data.draw(st.sampled_from(["normal", "urgent", "critical"])))
    world = Circumstances(item_type=item_type, catalogue=CATALOGUE, now=START, review_approved=False)
    case = open_case(ruling, world)
    assert case is not None
    for _ in range(data.draw(st.integers(10, 30))):
        world = data.draw(passed(world))
        action, actor, brought = data.draw(steps(case))
        result = transition(case, action, actor, case.state, world, brought)
        if isinstance(result, CaseState):
            asked_by = case.asked.by if case.asked else None
            check_step(case, result, actor, world, asked_by)
            check_state(result, world)
            case = result
            event(f"reaches {case.state}")


@settings(max_examples=200, deadline=None)
@given(data=st.data(), state=st.sampled_from(sorted(EDGES)), named=st.sampled_from(sorted(EDGES)))
def test_naming_another_state_never_changes_a_case(data: st.DataObject, state: str, named: str) -> None:
    case = CaseState(
        state=state,  # type: ignore[arg-type]
        urgency="urgent",
        department="xiaofang",
        opened_at=START,
        organisation=FIRE,
    )
    world = Circumstances(
        item_type=TYPES["0401"],
        catalogue=CATALOGUE,
        now=START,
        review_approved=True,
        report_verified=9,
        close_verified=9,
    )
    action, _, brought = data.draw(steps(case))
    result = transition(case, action, ABLE[0], named, world, brought)
    if named != state:
        assert isinstance(result, Refusal)
        assert (result.code, result.state) == ("late_transition", state)
