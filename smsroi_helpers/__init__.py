"""The helpers behind the SMS ROI notebooks: count in the engine, reason in Python, apply in the engine."""

__version__ = "0.1.0"
