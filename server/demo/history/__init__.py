"""Thirty days of a city at work, before anybody looks at it."""

from server.demo.history.loading import HistoryError, load_history

__all__ = ["HistoryError", "load_history"]
