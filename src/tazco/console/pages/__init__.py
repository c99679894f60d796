"""One module a page, or a family of pages; they do not know each other."""
