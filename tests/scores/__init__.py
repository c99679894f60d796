"""Scores without a database."""
