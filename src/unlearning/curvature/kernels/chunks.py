"""How many vectors are multiplied at once when nobody says."""


def chunk_within(limit: int, bytes_per_vector: int, most: int) -> int:
    """As many vectors, from 1 to ``most``, as need no more than ``limit`` bytes together."""
    return max(1, min(most, limit // max(1, bytes_per_vector)))
