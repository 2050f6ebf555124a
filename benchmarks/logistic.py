"""The whole recursion step of softmax regression: 1,000 vectors of 7,850 weights, batches of 32."""

from dataclasses import dataclass

import unlearning as ul
from benchmarks import clock, count, problems, released
from unlearning.curvature import products
from unlearning.hfocu import fused
from unlearning.hfocu.plan import needs_of
from unlearning.hfocu.recursion import Recursion
from unlearning.hfocu.steps import Rule

#: Times as fast as one call per vector: what is required, and what is aimed at. And the aim for
#: the ratio to the matrix-product bound.
GATE, AIM, AIM_OVER_BOUND = 15, 20, 1.6


@dataclass(frozen=True)
class Sizes:
    """Of the problem and of the measurement.

    Attributes:
        n: samples, and so vectors.
        batch: samples of a step.
        epochs: that are walked along.
        repeats: rounds.
    """

    n: int = 1000
    batch: int = 32
    epochs: int = 2
    repeats: int = 15


FULL, QUICK = Sizes(), Sizes(n=100, epochs=1, repeats=3)


def measure(sizes: Sizes, device: str = "cpu") -> dict:
    """Milliseconds a step: fused as ``recollect`` does it, step by step, generic, one by one."""
    data = problems.images(sizes.n, device=device)
    objective = problems.logistic(data)
    run = ul.train(objective, data.train, problems.schedule(sizes.batch, sizes.epochs))
    ceilings = clock.Ceilings(device)
    ours = {"fused steps": walk(run), **single_steps(run)}
    times = clock.compare({**ours, **ceilings.ways()}, repeats=sizes.repeats, warmups=2,
                          device=device)  # fmt: skip
    probe = ceilings.found(times)
    d, together = objective.dimension, fused_together(run, sizes.batch)
    batch = sizes.n * sizes.epochs / len(run)  # on average; the last of an epoch is smaller
    work = {name: count.softmax_step(sizes.n, d, batch) for name in ours}
    work["fused steps"] = count.softmax_step(sizes.n, d, batch, together=together)
    fast = times["fused steps"]
    bound = work["fused steps"].flops / probe["gflops"] / 1e6
    return {
        "settings": {"n": sizes.n, "d": d, "batch": sizes.batch, "steps": len(run),
                     "steps fused": together, "released": clock.faster(times, released.NAMES)},
        "probe": probe,
        "rows": [{"what": name} | work[name].beside(times[name], probe)
                 for name in ours],
        "ratios": {name: clock.ratio(times[name], fast) for name in ours},
        "bound_ms": bound,
        "over_bound": fast["median_ms"] / bound,
        "wanted": {"gate": GATE, "aim": AIM, "over_bound": AIM_OVER_BOUND},
    }  # fmt: skip


def walk(run: ul.Run) -> clock.Way:
    """All steps of a run, as ``recollect`` makes them; the time is that of one step."""
    what = run.objective, run.samples, run.batches
    rule = Rule(run.objective.l2, run.schedule.clip, "R2")
    needs = needs_of(*what, rule, "auto", len(run.samples))
    recursion = Recursion(rule, *what, sets=None, rows=range(len(run.samples)),
                          kernel=needs.kernel, chunk=needs.chunk)  # fmt: skip
    vectors = recursion.start()

    def advance():
        for stretch in run.stretches():
            for _ in recursion.advance(vectors, stretch):
                pass

    return clock.Way(advance, count=len(run), prepare=vectors.zero_)


def fused_together(run: ul.Run, batch: int) -> int:
    """How many steps of full batches share one pass over the vectors."""
    sizes = [batch] * len(run)
    parts = fused.groups(run.clip_factors, sizes, run.step_sizes, run.objective.l2)
    return max(len(steps) for steps, _ in parts)


def single_steps(run: ul.Run) -> dict[str, clock.Way]:
    """One step by products with the Hessian, by each kernel; and the released code's way."""
    objective, w, eta = run.objective, run.weights, run.step_sizes[0]
    batch = run.batches[0].to(run.samples.inputs.device)
    inputs, labels = run.samples.inputs[batch], run.samples.labels[batch]
    vectors = w.new_zeros(len(run.samples), len(w))

    def by_kernel(kernel):
        point = products.at(objective, w, inputs, labels, kernel=kernel)
        for part in vectors.split(point.default_chunk):
            curved = point.multiply(part)
            part.sub_(curved.add_(part, alpha=objective.l2), alpha=eta)
        vectors[batch] += (point.sample_gradients() + objective.l2 * w) * (eta / len(batch))

    def one_by_one():
        released.step(objective, w, inputs, labels, eta, vectors, batch)

    ways = {
        "step by step": lambda: by_kernel("softmax"),
        "generic": lambda: by_kernel("generic"),
        **dict(zip(released.NAMES, (one_by_one, clock.on_one_thread(one_by_one)), strict=True)),
    }
    return {name: clock.Way(way, prepare=vectors.zero_) for name, way in ways.items()}
