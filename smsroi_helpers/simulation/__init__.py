"""A simulated company whose truth is known: `truth.json` says what estimates of its tables are tested against."""

from smsroi_helpers.simulation.write import write_company

__all__ = [
    "write_company",
]
