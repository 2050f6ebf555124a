"""When which samples are used, and with which step size."""

from dataclasses import dataclass

import torch

from unlearning.base import checks


@dataclass(frozen=True)
class Schedule:
    """Plain SGD: step sizes ``step_size * decay**t``, batches from an explicit generator.

    Args:
        step_size: eta_0, positive.
        decay: factor per STEP (not per epoch), in (0, 1].
        batch_size: samples a step; the last batch of an epoch may be smaller and is kept.
        epochs: passes over the data.
        clip: the batch gradient, penalty included, is scaled down to this norm; None for never.
        seed: of the batch order.
        reshuffle: a new order every epoch, or one order for all epochs as in the released code.

    Raises:
        ValueError: for a value of another type or out of its range; the message names it.
    """

    step_size: float
    decay: float = 1.0
    batch_size: int = 32
    epochs: int = 1
    clip: float | None = None
    seed: int = 0
    reshuffle: bool = True

    def __post_init__(self):
        # Kept as plain numbers: NumPy's look different where a run is told from another.
        plain = {
            "step_size": checks.finite("step_size", self.step_size, above=0.0),
            "decay": checks.finite("decay", self.decay, above=0.0),
            "batch_size": checks.integer("batch_size", self.batch_size, least=1),
            "epochs": checks.integer("epochs", self.epochs, least=1),
            "clip": None if self.clip is None else checks.finite("clip", self.clip, above=0.0),
            # what a generator takes
            "seed": checks.integer("seed", self.seed, least=0, most=2**64 - 1),
            "reshuffle": checks.boolean("reshuffle", self.reshuffle),
        }
        if self.decay > 1:
            checks.fail("decay", "a factor of at most 1", self.decay)
        for name, value in plain.items():
            object.__setattr__(self, name, value)

    def batches(self, n: int) -> list[torch.Tensor]:
        """The sample numbers of each step, in order.

        The order is the one that ``DataLoader(shuffle=True)`` draws after
        ``torch.manual_seed(seed)``, drawn here without touching the global generator.

        Raises:
            ValueError: if the batch size exceeds ``n``.
        """
        most = f" (n, the number of samples, is {n})"
        checks.integer("batch_size", self.batch_size, least=1, most=n, note=most)
        generator = torch.Generator().manual_seed(self.seed)
        steps = []
        for epoch in range(self.epochs):
            if epoch == 0 or self.reshuffle:
                order = _loader_order(n, generator)
            steps += order.split(self.batch_size)
        return steps

    def step_sizes(self, count: int) -> list[float]:
        """eta_t for t = 0 .. count - 1."""
        return [self.step_size * self.decay**t for t in range(count)]


def _loader_order(n: int, generator: torch.Generator) -> torch.Tensor:
    """One epoch's order: a loader draws a seed for its workers, then one for its sampler."""
    seeds = [int(torch.empty((), dtype=torch.int64).random_(generator=generator)) for _ in range(2)]
    return torch.randperm(n, generator=torch.Generator().manual_seed(seeds[1]))
