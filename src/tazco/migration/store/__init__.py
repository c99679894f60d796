"""Files, the catalogue of what they say, and the rows that documents become."""
