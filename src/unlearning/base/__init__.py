"""Floor 0: what every other floor may use and what knows nothing of learning."""
