"""A second simulated company with known truth, of another shape than `smsroi_helpers.simulation`."""

from tests.second_world.truth import Truth, Value
from tests.second_world.world import CLASSES, CREATIVES, DAYS, DOSES, GRID, WINDOWS, ZONES, World, draw_world
from tests.second_world.write import write_company

__all__ = [
    "CLASSES",
    "CREATIVES",
    "DAYS",
    "DOSES",
    "GRID",
    "WINDOWS",
    "ZONES",
    "Truth",
    "Value",
    "World",
    "draw_world",
    "write_company",
]
