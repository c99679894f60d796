"""Transactions without a database."""
