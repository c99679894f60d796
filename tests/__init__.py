"""The tests of Tazco."""
