"""What the server asks of the device itself, and when it is done.

`update_app` is handed to the app, which says when it has carried it out. `wipe` is the device's own: it drains first,
then it says that it is done, and when the server knows, it forgets everything.

    given -> carried out (wipe: drained) -> told to the server -> gone (wipe: wiped)
"""

from __future__ import annotations

from uuid import UUID

from schemas.wire import Directive
from sync.device import outbox, photos, salvage
from sync.device.state import Order, State


class WipedError(RuntimeError):
    """The device is wiped, or has told that it will be: nothing is written on it any more."""


def take(state: State, given: list[Directive]) -> list[Directive]:
    """Keeps the directives that are new, and returns them."""
    known = {order.directive.id for order in state.orders} | set(state.obeyed)
    new = [directive for directive in given if directive.id not in known]
    state.orders += [Order(directive) for directive in new]
    return new


def carry_out(state: State, directive: UUID) -> None:
    """The app has done what was asked; a wipe is not the app's to say."""
    for order in state.orders:
        if order.directive.id == directive and order.directive.kind != "wipe":
            order.done = True


def carry(state: State) -> list[UUID]:
    """What the next request tells as done; before a wipe, all that is of a former epoch is to be salvaged."""
    if is_wiping(state):
        salvage.keep(state, state.former_items)
    if is_drained(state):
        for order in _wipes(state):
            order.done = True
    state.carried_done = [order.directive.id for order in state.orders if order.done][:100]
    return state.carried_done


def arrived(state: State) -> bool:
    """The server knows what the last request told as done; whether everything is to be forgotten now."""
    is_over = any(order.directive.id in state.carried_done for order in _wipes(state))
    state.obeyed += state.carried_done
    state.orders = [order for order in state.orders if order.directive.id not in state.carried_done]
    return is_over


def has_more_to_tell(state: State) -> bool:
    """Whether the next request tells the server that something was done."""
    return any(order.done for order in state.orders) or (is_wiping(state) and is_drained(state))


def is_wiping(state: State) -> bool:
    """Whether a wipe was asked for and is not over."""
    return bool(_wipes(state))


def is_drained(state: State) -> bool:
    """Whether nothing is only on this device: no edit, no photo, nothing to be salvaged."""
    return not outbox.unsent(state) and not photos.items_with_unsent(state) and not state.salvage


def refuse_writing(state: State) -> None:
    """Raises WipedError where a wipe is over or already told: what is written now would be lost."""
    if state.wiped or any(order.done for order in _wipes(state)):
        raise WipedError


def wiped(state: State) -> State:
    """A device that has forgotten everything but who it was, and that it is wiped."""
    return State(
        state.device, state.user, state.catalogue, state.registry, state.epoch, state.app,
        obeyed=state.obeyed, wiped=True, serial=state.serial,
    )  # fmt: skip


def _wipes(state: State) -> list[Order]:
    return [order for order in state.orders if order.directive.kind == "wipe"]
