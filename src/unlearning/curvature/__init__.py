"""Floor 2: second derivatives of an objective, as products and never as a stored matrix."""
