"""Real card histories, played through the running API with real tokens, and the proof in the tables that every cent is there."""
