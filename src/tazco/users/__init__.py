"""People: who they are, whether they may act, where their score stands."""
