"""Asking for a card, and the answer."""
