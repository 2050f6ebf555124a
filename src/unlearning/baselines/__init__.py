"""Floor 4: what the papers' methods are compared with."""
