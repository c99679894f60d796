"""Containers: what can be known of them without an engine that runs them."""
