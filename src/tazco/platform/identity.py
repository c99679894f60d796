"""Who calls: a verified Cognito token → `Caller`. There is no way to turn verification off."""
