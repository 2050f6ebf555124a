"""Floor 1: what is learned: samples, models and the objective over one flat weight vector."""
