"""How many rows are worked on at once, so that the memory allowed is never exceeded."""

from dataclasses import dataclass

from unlearning.base import memory
from unlearning.curvature import products
from unlearning.hfocu import fused
from unlearning.hfocu.steps import Rule
from unlearning.problem.objective import Objective
from unlearning.problem.samples import Samples
from unlearning.training.descent import STRETCH


@dataclass(frozen=True)
class Plan:
    """What fits.

    Attributes:
        kernel: how products with the Hessian are computed.
        chunk: rows multiplied at once.
        group: rows held in memory at once; further groups take further walks along the run.
    """

    kernel: str
    chunk: int
    group: int


@dataclass(frozen=True)
class Needs:
    """Bytes that a recollection takes.

    Attributes:
        kernel: that will be used.
        fixed: whatever the number of rows.
        per_row: for each row that is held.
        per_chunk_row: for each row that is being worked on.
        chunk: rows worked on at once when nobody says.
    """

    kernel: str
    fixed: int
    per_row: int
    per_chunk_row: int
    chunk: int


def make_plan(
    needs: Needs, rows: int, *, chunk: int | None, allowed: int | None, split: bool, device
) -> Plan:
    """Choose chunk and group.

    Args:
        needs: of the recollection.
        rows: of the result.
        chunk: asked for, or None.
        allowed: bytes, or None for nearly all that is free.
        split: whether the rows may be computed in several groups, one after the other.
        device: whose memory it is.

    Raises:
        ValueError: if it does not fit; the message says what is needed and what is allowed.
    """
    origin = "as asked for"
    if allowed is None:
        allowed, origin = int(0.9 * memory.available(device)), "nine tenths of what is free"
    what = f"{rows} vectors, computed in groups" if split else f"all {rows} vectors at once"
    if not split:
        origin += "; with a folder to write to, they can be computed in groups"
    held = needs.fixed if split else needs.fixed + rows * needs.per_row
    each = needs.per_chunk_row + (needs.per_row if split else 0)
    if chunk is None:
        chunk = memory.fit(held, each, min(rows, needs.chunk), allowed, what, origin)
    else:  # as it is, or not at all
        chunk = min(rows, chunk)
        memory.fit(held, chunk * each, 1, allowed, f"{what} (chunk = {chunk})", origin)
    if not split:
        return Plan(needs.kernel, chunk, rows)
    working = needs.fixed + chunk * needs.per_chunk_row
    group = memory.fit(working, needs.per_row, rows, allowed, what, origin)
    return Plan(needs.kernel, chunk, group)


def needs_of(objective: Objective, samples: Samples, batches, rule: Rule, kernel: str) -> Needs:
    """Count the bytes, from the kernel's own account at the largest batch."""
    kernel = products.kernel_for(objective, kernel)
    largest = max(batches, key=len)
    w = objective.initial_weights
    inputs, labels = samples.inputs[largest], samples.labels[largest]
    point = products.at(objective, w, inputs, labels, kernel=kernel)
    size, d = w.element_size(), len(w)
    clipped = 3 * d * size if rule.clip is not None else 0  # what projecting a chunk takes
    per_chunk_row = point.bytes_per_vector + clipped
    # Sample gradients of a batch, their shares and projections; the weights of a stretch.
    fixed = point.fixed_bytes + (4 * len(largest) + STRETCH + 8) * d * size
    per_row, chunk = d * size, point.default_chunk
    if kernel == "softmax" and not rule.quirks:
        classes = objective.outputs(w, inputs[:1]).shape[1]
        more = fused.bytes_needed(classes, inputs[0].numel(), len(largest), d, size)
        fixed, per_row, per_chunk_row = (
            fixed + more[0], per_row + more[1], max(per_chunk_row, more[2])
        )  # fmt: skip
        chunk = fused.CHUNKS[w.device.type]
    return Needs(kernel, fixed, per_row, per_chunk_row, chunk)
