"""The reference device."""

from sync.device.directives import WipedError
from sync.device.machine import Device
from sync.device.state import Held, OwnPhoto, Told
from sync.device.views import Applied, NotVisibleError, Outgoing, VisibleItem

__all__ = ["Applied", "Device", "Held", "NotVisibleError", "Outgoing", "OwnPhoto", "Told", "VisibleItem", "WipedError"]
