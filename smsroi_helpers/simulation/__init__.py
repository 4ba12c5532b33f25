"""Simulated companies with known truth: estimates from their tables are compared with `truth.json`."""

from smsroi_helpers.simulation.write import write_company

__all__ = [
    "write_company",
]
