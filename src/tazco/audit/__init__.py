"""Who did what to whom: written in the transaction of the deed, never edited, kept seven years."""
