"""A refusal of the pure core: an ordinary value, decided and handed back."""

from msgspec import Struct


class Refusal(Struct, frozen=True):
    """Why something was not done. `code` is stable; the words say what to do next and hold no entered value.

    `field` names the parameter or form field at fault, `state` the state found instead of the named one.
    """

    code: str
    zh: str
    en: str
    field: str | None = None
    state: str | None = None


def late_transition(state: str) -> Refusal:
    """What the request names is no longer so."""
    return Refusal(
        "late_transition",
        f"状态已变为 {state},请刷新后再操作。",
        f"The state is now {state}; look again before you act.",
        state=state,
    )


def forbidden() -> Refusal:
    """The actor's roles do not reach this."""
    return Refusal("forbidden", "您的角色不能执行此操作。", "Your role does not allow this.")


def reason_refusal(reason: str | None, known: frozenset[str], note: str | None = None) -> Refusal | None:
    """Why a reason code does not serve: none given, not of this list, or `other` without a note."""
    if reason is None:
        return Refusal("reason_needed", "请选择原因。", "Give a reason.", field="reason")
    if reason not in known:
        return Refusal("reason_unknown", "原因代码不正确。", "There is no such reason here.", field="reason")
    if reason == "other" and not (note or "").strip():
        return Refusal("note_needed", "选择「其他」须写明原因。", "The reason 'other' needs a note.", field="note")
    return None
