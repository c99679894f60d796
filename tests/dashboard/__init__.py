"""The dashboard without a database."""
