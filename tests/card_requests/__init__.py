"""Card requests without a database."""
