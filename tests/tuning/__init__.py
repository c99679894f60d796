"""Changing the policy."""
