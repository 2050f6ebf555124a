"""Shadow models: trained as the target was, on halves of a pool that the attacker holds.

They come in pairs. A pair splits the pool at random, one model learns the first half and the other
the rest, so every row is in exactly half of the shadows and every shadow has as many rows.
All are trained together: one step of all is one batched gradient.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch.func import grad, vmap

from unlearning.attacks.margins import margins_of
from unlearning.base import checks
from unlearning.base.precision import in_full_float32
from unlearning.base.progress import track
from unlearning.base.streams import stream
from unlearning.curvature.kernels import softmax
from unlearning.curvature.kernels.chain import UnfitError
from unlearning.curvature.kernels.layout import Layout
from unlearning.problem.objective import Objective
from unlearning.problem.samples import Samples
from unlearning.training.schedule import Schedule

#: Numbers of the inputs that models trained together may hold in one step.
AT_ONCE = 2**20

# (weights [K, d], inputs [K, B, ...], labels [K, B]) -> gradients of the mean losses [K, d]
Gradients = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True, eq=False)
class Shadows:
    """Models and who learned what.

    Attributes:
        objective: loss, model and penalty of all.
        pool: the rows they were drawn from, P of them.
        learned: whether shadow k learned row i, shape ``[N, P]``.
        weights: shape ``[N, d]``.
    """

    objective: Objective
    pool: Samples
    learned: torch.Tensor
    weights: torch.Tensor

    def __len__(self) -> int:
        """The number of shadows, N."""
        return len(self.weights)

    def margins(self) -> torch.Tensor:
        """What each says of each row of the pool: shape ``[N, P]`` (``margins.margins``)."""
        return margins_of(self.objective, self.weights, self.pool)


def halves(count: int, rows: int, *, seed: int = 0) -> torch.Tensor:
    """Which of ``rows`` rows each of ``count`` shadows learns: a mask of shape ``[count, rows]``.

    Raises:
        ValueError: for an odd number of shadows or rows, or none.
    """
    for name, value in (("count", count), ("rows", rows)):
        if checks.integer(name, value, least=2) % 2:
            checks.fail(name, "an even number", value)
    learned = torch.zeros(count, rows, dtype=torch.bool)
    generator = stream("halves of a pool", seed)
    for pair in learned.split(2):
        order = torch.randperm(rows, generator=generator)
        pair[0, order[: rows // 2]] = True
        pair[1] = ~pair[0]
    return learned


def train_shadows(
    objective: Objective, pool: Samples, schedule: Schedule, count: int, *, seed: int = 0
) -> Shadows:
    """Train shadows on halves of a pool.

    Args:
        objective: of the target; all shadows start at its initial weights, as runs of it do.
        pool: an even number of rows.
        schedule: of the target. Each shadow has batches in an order of its own, which is a function
            of ``seed``.
        count: number of shadows, even; 64 are customary, 2 the least.
        seed: of halves and orders.

    Raises:
        ValueError: for an odd ``count`` or pool, samples that do not fit the model, a batch size
            above half of the pool, or weights that stop being finite.
    """
    objective.check_samples(pool)
    learned = halves(count, len(pool), seed=seed).to(pool.inputs.device)
    weights = train_on(objective, pool, learned, schedule, seed=seed)
    return Shadows(objective, pool, learned, weights)


def train_on(
    objective: Objective,
    pool: Samples,
    learned: torch.Tensor,
    schedule: Schedule,
    *,
    seed: int = 0,
    description: str = "shadow models",
) -> torch.Tensor:
    """Train a model on each of several sets of as many rows, together.

    Args:
        objective: all models start at its initial weights.
        pool: the rows.
        learned: which rows each model learns, shape ``[K, P]``, as many in each line.
        schedule: each model has batches in an order of its own, which is a function of ``seed``.
        seed: of the orders.
        description: for the progress bar.

    Returns:
        The weights at the end, shape ``[K, d]``.

    Raises:
        ValueError: for a mask of another shape or uneven lines, samples that do not fit the model,
            a batch size above the rows of a line, or weights that stop being finite.
    """
    objective.check_samples(pool)
    if learned.dtype != torch.bool or learned.ndim != 2 or learned.shape[1] != len(pool):
        given = f"{learned.dtype} of shape {list(learned.shape)}"
        checks.fail("learned", f"a mask of shape [K, {len(pool)}]", given)
    sizes = learned.sum(1).unique().tolist()
    if len(sizes) != 1 or sizes[0] == 0:
        checks.fail("learned", "as many rows in each line, one at least", f"{sizes}")
    own = [schedule_of(schedule, seed, k).batches(sizes[0]) for k in range(len(learned))]
    rows = [line.nonzero()[:, 0] for line in learned]
    width = pool.inputs[0].numel() * schedule.batch_size
    size = max(1, AT_ONCE // width)
    ends = [
        _Together(objective, pool, schedule).end(rows[k : k + size], own[k : k + size])
        for k in track(range(0, len(rows), size), description, -(-len(rows) // size))
    ]
    return torch.cat(ends)


def schedule_of(schedule: Schedule, seed: int, number: int) -> Schedule:
    """The same schedule with the batch order of a shadow."""
    drawn = torch.randint(2**62, (), generator=stream("batches of a shadow", seed, number))
    return dataclasses.replace(schedule, seed=int(drawn))


class _Together:
    """Some models, a step of all of them at a time."""

    def __init__(self, objective: Objective, pool: Samples, schedule: Schedule):
        self.objective, self.pool, self.schedule = objective, pool, schedule
        self.gradients = _gradients(objective)

    @in_full_float32
    @torch.no_grad()
    def end(self, rows: list[torch.Tensor], batches: list[list[torch.Tensor]]) -> torch.Tensor:
        """The last weights of models that learn these rows, in these batches of their places."""
        w = self.objective.initial_weights.expand(len(rows), -1).clone()
        etas = self.schedule.step_sizes(len(batches[0]))
        for eta, places in zip(etas, zip(*batches, strict=True), strict=True):
            chosen = [own[place] for own, place in zip(rows, places, strict=True)]
            w = self._step(w, torch.stack(chosen).to(w.device), eta)
        if not bool(w.isfinite().all()):
            given = f"weights that are not (eta_0 = {self.schedule.step_size:g})"
            checks.fail("step_size", "steps along which the weights stay finite", given)
        return w

    def _step(self, w: torch.Tensor, chosen: torch.Tensor, eta: float) -> torch.Tensor:
        found = self.gradients(w, self.pool.inputs[chosen], self.pool.labels[chosen])
        found.add_(w, alpha=self.objective.l2)
        if self.schedule.clip is not None:
            norms = torch.linalg.vector_norm(found, dim=1, keepdim=True)
            found *= (self.schedule.clip / norms).clamp(max=1.0)
        return w.add_(found, alpha=-eta)


def _gradients(objective: Objective) -> Gradients:
    """Of many models, each on a batch of its own."""
    try:
        softmax.check(objective)
    except UnfitError:
        return vmap(grad(objective.mean_loss))
    return partial(_softmax_gradients, Layout(objective))


def _softmax_gradients(layout: Layout, w, inputs, labels) -> torch.Tensor:
    """Those of softmax regression by matrix products alone: twice as fast."""
    inputs, (weight, bias) = inputs.flatten(2), layout.parts(w)
    deltas = inputs @ weight.mT
    if bias is not None:
        deltas += bias[:, None]
    deltas = deltas.softmax(2)
    own = labels[..., None]
    deltas.scatter_add_(2, own, -torch.ones_like(own, dtype=deltas.dtype))
    deltas /= labels.shape[1]
    found = torch.empty_like(w)
    of_weight, of_bias = layout.parts(found)
    torch.bmm(deltas.mT, inputs, out=of_weight)
    if of_bias is not None:
        torch.sum(deltas, 1, out=of_bias)
    return found
