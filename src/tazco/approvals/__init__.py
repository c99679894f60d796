"""Deciding card requests by WhatsApp: what approvers answer, and what happens when nobody does."""
