"""People without a database."""
