"""Deterministic simulation of the whole programme in one process, and what is proved with it."""
