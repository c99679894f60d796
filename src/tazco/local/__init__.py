"""The laptop: the embedded cloud, demo people, a stand-in for WhatsApp. Nothing here runs in production."""
