"""Cards without a database."""
