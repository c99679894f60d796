"""Tazco: the backend of a revolving credit-card programme."""

__version__ = "0.1.0"
