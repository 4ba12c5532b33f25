"""What a good analyst would write in pandas for the main tables of a notebook: the peers of `benchmarks.scale`.

Each module but `company` is a script, `python -m benchmarks.peers.<stage> FOLDER`, over a simulated company as it is on
disk. Its first lines say what it covers, and what of the workbook's notebook it leaves out.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.load import Measurement, measure

__all__ = ["STAGES", "measure_all"]

STAGES = (
    "quality", "segmentation", "cltv", "timing", "frequency", "ab_test", "content", "retention", "effectiveness",
)  # fmt: skip
"""Stages with a peer."""


def measure_all(source: Path, stages: Sequence[str]) -> dict[str, Measurement]:
    """Run the peers of the stages named, one after another, with two threads; return stage → measurement."""
    os.environ |= {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    return {
        stage: measure([sys.executable, "-W", "ignore", "-m", f"benchmarks.peers.{stage}", str(source)])
        for stage in STAGES
        if stage in stages
    }
