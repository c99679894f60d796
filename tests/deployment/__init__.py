"""Templates, rights and deployments."""
