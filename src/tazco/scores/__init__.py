"""Creditworthiness, and why it moved."""
