"""The policy in operators' hands: what SSM holds of every parameter, and changing one, on record before it happens."""
