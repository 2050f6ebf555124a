"""Layer-wise products: the tangent of a forward and a backward pass (Pearlmutter's R-operator).

A tangent holds all K vectors of a chunk in its LAST axis: ``[b, features, K]``, and for images
``[b, height, width, channels, K]``. So each entry of a network is one short contiguous row, and
whatever a layer does to it (add, scale, gather, multiply with a matrix) it does to K at once.
"""
