"""What the machine is that a figure was measured on."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from server.bench.exchange.figures import Machine


def this_machine(postgresql: str) -> Machine:
    """The machine now; `postgresql`: the version that the database says."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    return Machine(
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_mb=memory,
        cpu=_cpu_model(),
        python=platform.python_version(),
        postgresql=postgresql,
        os=f"{platform.system()} {platform.release()}",
        date=datetime.now(UTC).date().isoformat(),
    )


def _cpu_model() -> str:
    """As the kernel names it; elsewhere the architecture."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
