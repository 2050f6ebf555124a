"""Products with the Hessian of the papers' network: d = 21,840, batches of 64, 64 vectors."""

from dataclasses import dataclass

import torch

from benchmarks import clock, count, problems, released
from unlearning.curvature import products

#: Times as fast as one call per vector: what is required, and what is aimed at.
GATE, AIM = 2.5, 4


@dataclass(frozen=True)
class Sizes:
    """Of the problem and of the measurement.

    Attributes:
        batch: samples.
        vectors: that are multiplied.
        repeats: rounds.
    """

    batch: int = 64
    vectors: int = 64
    repeats: int = 11


FULL, QUICK = Sizes(), Sizes(batch=8, vectors=4, repeats=3)


def measure(sizes: Sizes, device: str = "cpu") -> dict:
    """Milliseconds a vector: layer by layer (where the library can), generic, one by one."""
    data = problems.images(sizes.batch, device=device)
    objective, w = problems.cnn(data), problems.cnn(data).initial_weights
    inputs, labels = data.train.inputs, data.train.labels
    vectors = torch.randn(sizes.vectors, len(w), generator=torch.Generator().manual_seed(1))
    vectors = vectors.to(device)

    def by_kernel(kernel):
        point = products.at(objective, w, inputs, labels, kernel=kernel)
        for part in vectors.split(point.default_chunk):
            point.multiply(part)

    def one_by_one():
        for _ in released.hessian_products(objective, w, inputs, labels, vectors):
            pass

    kernels = [name for name in ("layers", "generic") if name in products.KERNELS]
    works = {name: lambda name=name: by_kernel(name) for name in kernels}
    works |= zip(released.NAMES, (one_by_one, clock.on_one_thread(one_by_one)), strict=True)
    ways = {name: clock.Way(work, count=sizes.vectors) for name, work in works.items()}
    ceilings = clock.Ceilings(device)
    times = clock.compare({**ways, **ceilings.ways()}, repeats=sizes.repeats, device=device)
    probe = ceilings.found(times)
    work = count.hessian_products(objective, inputs, 1)
    best = times[kernels[0]]
    return {
        "settings": {"d": len(w), "batch": sizes.batch, "vectors": sizes.vectors,
                     "best": kernels[0], "released": clock.faster(times, released.NAMES)},
        "probe": probe,
        "rows": [{"what": name} | work.beside(times[name], probe)
                 for name in ways],
        "ratios": {name: clock.ratio(times[name], best) for name in ways},
        "wanted": {"gate": GATE, "aim": AIM},
    }  # fmt: skip
