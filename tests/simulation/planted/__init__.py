"""Bugs that are planted on purpose, each breaking one rule, to see whether what should catch them does."""
