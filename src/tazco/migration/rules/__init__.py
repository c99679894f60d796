"""The shape of the documents and what must hold in them; pure."""
