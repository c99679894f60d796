"""Trackers and their codes."""
