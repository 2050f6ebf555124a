"""Floor 3: runs of stochastic gradient descent, and what they must remember."""
