"""Floor 5: what can be found out about forgotten data from a model."""
