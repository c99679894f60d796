"""Spending and paying back."""
