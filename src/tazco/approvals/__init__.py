"""A decision awaited over WhatsApp."""
