"""Floor 4: corrections of features and labels, and the weights that they may touch (SAPS)."""
