"""Where chosen outputs of a convolution meet its inputs, as sums of rows over fixed lists."""

import torch
from torch.nn import functional

from unlearning.curvature.kernels.layers.conv import Geometry
from unlearning.curvature.kernels.layers.site import Site


class Meetings:
    """Every pair of a chosen output entry and a kernel position, with the input it meets.

    Args:
        conv: the convolution's values.
        geometry: of the convolution.
        positions: which position in the convolution's output an entry is, ``[b, h', w', co]``.
        used: numbers of the entries of ``positions`` that matter, in ascending order.
        delta: gradient of the mean loss with respect to the entries, shaped like ``positions``.
    """

    def __init__(self, conv: Site, geometry: Geometry, positions, used, delta):
        # Numbers of half the size halve what is read and written; all of them count rows.
        entries, positions = used.int(), positions.flatten().int()[used]
        self._weight, self._channels = conv.weight.flatten(2), entries % len(conv.weight)
        self._count, self._area = delta.numel(), geometry.input[0] * geometry.input[1]
        samples = entries // delta[0].numel()
        places, inside = geometry.places(positions)
        self._places = places.add_(samples * self._area)  # [kernel, entries]
        self._inside = inside if any(geometry.padding) else None
        delta = self._zeroed(delta.flatten()[used].expand(self._places.shape))
        self._gather_inputs(used)
        self._weigh_inputs(delta)
        self._reach_inputs(used, delta, len(conv.x) * self._area)

    def _zeroed(self, values: torch.Tensor) -> torch.Tensor:
        """``values [..., kernel, entries]`` with 0 for what lies in the padding."""
        return values if self._inside is None else values * self._inside

    def _gather_inputs(self, used) -> None:
        """Entry by entry: the inputs that it sees, with their weights."""
        _, ci, kernel = self._weight.shape
        channel = torch.arange(ci, device=used.device, dtype=torch.int32)
        rows = (self._places * ci).T.contiguous()[:, :, None] + channel
        table = self._weight.transpose(1, 2).contiguous()  # [co, kernel, ci]
        weights = table.index_select(0, self._channels)
        if self._inside is not None:
            weights *= self._inside.T[:, :, None]
        counts = used.new_zeros(self._count).index_fill_(0, used, kernel * ci)
        self._gather = Bags(rows, weights, counts)

    def _weigh_inputs(self, delta) -> None:
        """Weight by weight: the inputs that it met, with the delta that they led to."""
        order = self._channels.argsort(stable=True)
        counts = self._channels.bincount(minlength=len(self._weight)).repeat(len(delta))
        self._weigh = Bags(self._places[:, order], delta[:, order], counts)

    def _reach_inputs(self, used, delta, n_places: int) -> None:
        """Input by input: the entries that saw it, and through which kernel position."""
        co, _, kernel = self._weight.shape
        places = self._places.flatten()
        order = places.argsort(stable=True)
        counts = places.bincount(minlength=n_places)
        position = torch.arange(kernel, device=places.device, dtype=torch.int32)[:, None]
        rows = (position * co + self._channels).flatten()[order]
        self._spread = Bags(rows, delta.flatten()[order], counts)
        back = used.int().expand(kernel, -1).flatten()[order]
        weights = self._weight.permute(1, 2, 0).flatten(1).index_select(1, rows)  # [ci, ...]
        if self._inside is not None:
            weights *= self._inside.flatten()[order]
        self._scatter = [Bags(back, weight, counts) for weight in weights]

    def inputs_at(self, inputs: torch.Tensor) -> torch.Tensor:
        """``W x'`` at each entry: from ``[b positions ci, K]`` to ``[entries, K]``."""
        return self._gather(inputs)

    def inputs_by_delta(self, inputs: torch.Tensor) -> torch.Tensor:
        """``sum delta x'`` for each weight: ``[b positions, ci K]`` to ``[kernel co, ci K]``."""
        return self._weigh(inputs)

    def weights_by_delta(self, weights: torch.Tensor) -> torch.Tensor:
        """``sum delta V`` at each input: ``[kernel co, ci K]`` to ``[b positions, ci K]``."""
        return self._spread(weights)

    def add_outputs(self, inputs: torch.Tensor, outputs: torch.Tensor) -> None:
        """Add ``sum W d'`` to each input ``[b positions, ci, K]``, for ``d' [entries, K]``."""
        for channel, scatter in enumerate(self._scatter):
            inputs[:, channel] += scatter(outputs)


class Bags:
    """Weighted sums of rows over fixed lists.

    Args:
        rows: numbers of the rows, list after list.
        weights: of the same shape.
        counts: length of each list.
    """

    def __init__(self, rows: torch.Tensor, weights: torch.Tensor, counts: torch.Tensor):
        self._rows, self._weights = rows.flatten(), weights.flatten()
        self._ends = functional.pad(counts.cumsum(0), (1, 0)).int()

    def __call__(self, table: torch.Tensor) -> torch.Tensor:
        """For ``table [n, m]``, one sum per list, shape ``[lists, m]``."""
        return functional.embedding_bag(
            self._rows, table, self._ends, mode="sum", per_sample_weights=self._weights,
            include_last_offset=True,
        )  # fmt: skip
