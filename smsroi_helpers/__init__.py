"""The helpers behind the SMS ROI notebooks: count in the engine, reason in Python, apply in the engine."""

import importlib
from collections.abc import Callable
from types import ModuleType

__version__ = "0.1.0"


def lazy_submodules(package: str, *names: str) -> Callable[[str], ModuleType]:
    """The `__getattr__` of a package whose modules `names` are imported when first asked for.

    A stage's figures and tables bring the drawing library with them, which a stage that asks for its numbers does not
    need.

    Args:
        package: its `__name__`.
        names: modules of it.
    """

    def import_when_asked(name: str) -> ModuleType:
        if name in names:
            return importlib.import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return import_when_asked
