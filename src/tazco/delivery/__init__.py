"""What has left the house, and what is stuck on its way out."""
