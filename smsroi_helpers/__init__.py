"""The package behind the SMS ROI notebooks: aggregate in the engine, model in Python, apply in the engine."""

import gc
import importlib
from collections.abc import Callable, Mapping
from types import ModuleType

__version__ = "0.1.0"

# Imports and expressions of Ibis make many small objects that live on. With the limits of Python (700, 10, 10), looking
# for garbage among them takes an eighth of the time of an import and up to a fifth of that of a notebook.
gc.set_threshold(50_000, 20, 50)


def lazy_submodules(package: str, *names: str) -> Callable[[str], ModuleType]:
    """Return the `__getattr__` of a package that imports its modules `names` on first use.

    Figures and tables import the plotting library, which other stages do not need.

    Args:
        package: `__name__` of the package.
        names: names of its modules.
    """

    def import_when_asked(name: str) -> ModuleType:
        if name in names:
            return importlib.import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return import_when_asked


def lazy_names(package: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """Return the `__getattr__` of a package that imports the modules of its names on first use.

    Args:
        package: `__name__` of the package.
        homes: name → module of the package that defines it.
    """

    def import_when_asked(name: str) -> object:
        if name in homes:
            return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return import_when_asked
