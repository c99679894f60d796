"""The house holds itself to its rules."""
