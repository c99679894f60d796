"""Tests of the laptop: the embedded cloud and what runs beside it."""
