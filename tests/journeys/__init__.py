"""Stories in plain English."""
