"""Offers without a database."""
