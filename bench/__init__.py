"""Measurements that anyone can repeat: ratios and distributions of one run, never a timed test."""
