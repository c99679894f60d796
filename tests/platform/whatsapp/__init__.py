"""Both providers of WhatsApp messages."""
