"""AWS and HTTP made boring. Knows nothing about credit."""
