"""A store of given values, for tests of stores."""

from unlearning.base.shards import Writer, write_manifest


def write_store(folder, values, dtype="float64", block_bytes=2**26, **meta):
    writer = Writer(folder, values.shape[1], dtype, block_bytes=block_bytes)
    writer.append(values)
    write_manifest(folder, {"dtype": dtype, "blocks": writer.flush(), **meta})
