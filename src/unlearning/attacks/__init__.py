"""Floor 5: attacks, that is, what can still be got out of a model that has unlearned."""
