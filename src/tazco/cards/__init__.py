"""A limit, what is owed, what is left."""
