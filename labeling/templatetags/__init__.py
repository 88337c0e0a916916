"""Tags of the people's room; load them by name."""
