"""How many rows are worked on at once, so that the memory allowed is never exceeded."""

import math
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
        working: bytes that are taken beside the rows that are held.
    """

    kernel: str
    chunk: int
    group: int
    working: int


@dataclass(frozen=True)
class Needs:
    """Bytes that a recollection takes.

    Attributes:
        kernel: that will be used.
        fixed: whatever the number of rows.
        per_row: for each row that is held.
        per_chunk_row: for each row that is being worked on.
        chunk: rows worked on at once by default.
    """

    kernel: str
    fixed: int
    per_row: int
    per_chunk_row: int
    chunk: int


def make_plan(
    needs: Needs,
    rows: int,
    *,
    chunk: int | None,
    group: int | None,
    allowed: int | None,
    device,
    whole: str,
) -> Plan:
    """Choose chunk and group.

    Args:
        needs: of the recollection.
        rows: of the result.
        chunk: given by the user, or None.
        group: of a work to go on with, or None.
        allowed: bytes, or None for nearly all that is free.
        device: whose memory it is.
        whole: advice for an error where all rows must be held at once; empty where they may be
            computed in several groups, one after the other.

    Raises:
        ValueError: if it does not fit; the message has both amounts, needed and allowed.
    """
    origin = "as given"
    if allowed is None:
        allowed, origin = int(0.9 * memory.available(device)), "nine tenths of what is free"
    what = f"all {rows} vectors at once" if whole else f"{rows} vectors, computed in groups"
    origin += f"; {whole}" if whole else ""
    held = needs.fixed + rows * needs.per_row if whole else needs.fixed
    each = needs.per_chunk_row + (0 if whole else needs.per_row)
    if chunk is None:
        chunk = memory.fit(held, each, min(rows, needs.chunk), allowed, what, origin)
    else:  # as it is, or not at all
        chunk = min(rows, chunk)
        memory.fit(held, chunk * each, 1, allowed, f"{what} (chunk = {chunk})", origin)
    working = needs.fixed + chunk * needs.per_chunk_row
    if whole:
        return Plan(needs.kernel, chunk, rows, working)
    if group is None:
        group = memory.fit(working, needs.per_row, rows, allowed, what, origin)
    else:
        group = min(rows, group)
        memory.fit(working, group * needs.per_row, 1, allowed, f"{what} of {group}", origin)
    return Plan(needs.kernel, chunk, group, working)


def needs_of(
    objective: Objective, samples: Samples, batches, rule: Rule, kernel: str, rows: int, sets=None
) -> Needs:
    """Choose the kernel for so many rows, and take its own account at the largest batch."""
    largest = max(batches, key=len)
    w = objective.initial_weights
    inputs, labels = samples.inputs[largest], samples.labels[largest]
    point = products.at(objective, w, inputs, labels, kernel=kernel, count=rows)
    size, d = w.element_size(), len(w)
    clipped = 3 * d * size if rule.clip is not None else 0  # what projecting a chunk takes
    per_chunk_row = point.bytes_per_vector + clipped
    # Sample gradients of a batch, their shares and projections; the weights of a stretch.
    fixed = point.fixed_bytes + (4 * len(largest) + STRETCH + 8) * d * size
    fixed += _by_step(batches, len(samples), sets)
    per_row, chunk = d * size, point.default_chunk
    if point.name == "softmax" and not rule.quirks:
        classes = objective.outputs(w, inputs[:1]).shape[1]
        more = fused.bytes_needed(classes, inputs[0].numel(), len(largest), d, size)
        fixed, per_row, per_chunk_row = (
            fixed + more[0], per_row + more[1], max(per_chunk_row, more[2])
        )  # fmt: skip
        chunk = fused.CHUNKS[w.device.type]
    return Needs(point.name, fixed, per_row, per_chunk_row, chunk)


def _by_step(batches, n: int, sets) -> int:
    """Bytes of what is kept for each step: its batch, and which rows have samples in it."""
    uses = sum(len(batch) for batch in batches)
    members = n if sets is None else sum(len(members) for members in sets)
    pairs = members * math.ceil(uses / n)
    # Two copies while they are made, one with room to grow; the places where pieces end.
    return 20 * uses + 4 * 20 * pairs + 5 * 16 * len(batches)
