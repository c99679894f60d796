"""Checking, writing, reconciling, exporting."""
