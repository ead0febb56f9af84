"""What a server process knows without asking the database: just enough to say that there is nothing new (ADR 0019)."""

from server.memory.keeper import keep
from server.memory.listeners import Listener
from server.memory.memory import Memory, Session

__all__ = ["Listener", "Memory", "Session", "keep"]
