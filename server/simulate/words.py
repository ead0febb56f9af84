"""Why a simulation cannot be run, in one sentence."""

from __future__ import annotations

from server.embedded.words import StartError


class SimulationError(StartError):
    """The simulation cannot begin or go on; the text is one clear sentence in both languages."""
