"""From rows to stories, and from a story's rows to its steps; nothing is read here."""
