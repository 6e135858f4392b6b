"""Sekisho 関所: telework security that is proven, not self-reported."""

__version__ = "0.1.0"
