"""Diagonals of curvature: one way to compute them a file; ``curvature.diagonal`` chooses."""
