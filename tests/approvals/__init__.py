"""Deciding by WhatsApp."""
