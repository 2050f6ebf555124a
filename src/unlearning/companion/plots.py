"""The look of the book's figures: one colour per method, legible on a phone and in the dark.

Colours are those of Okabe and Ito (2008), chosen to stay apart for colour-blind readers; markers
and line styles say the same thing again. Pages in dark mode invert lightness by CSS, so figures are
drawn dark on white.
"""

import matplotlib.pyplot as plt

#: One fixed look for each thing that is compared anywhere in the book.
LOOKS = {
    "do nothing": {"color": "#666666", "marker": "s", "linestyle": "--"},
    "HF-OCU": {"color": "#0072B2", "marker": "o", "linestyle": "-"},
    "HF-OCU as released": {"color": "#D55E00", "marker": "v", "linestyle": "-."},
    "other order": {"color": "#CC79A7", "marker": "D", "linestyle": ":"},
    "retrained": {"color": "#009E73", "marker": "^", "linestyle": "-"},
    "Newton step": {"color": "#E69F00", "marker": "P", "linestyle": "-"},
    "jackknife": {"color": "#56B4E9", "marker": "X", "linestyle": "-"},
    "NegGrad": {"color": "#000000", "marker": "*", "linestyle": ":"},
    "theory": {"color": "#999999", "marker": "", "linestyle": ":"},
}
COLORS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9")


def use_style() -> None:
    """Set matplotlib's defaults for a chapter: sizes that stay legible at 390 pixels width."""
    plt.rcParams.update(
        {
            "figure.figsize": (5.2, 3.4),
            "figure.dpi": 110,
            "savefig.dpi": 200,
            "figure.constrained_layout.use": True,
            "font.size": 11,
            "axes.titlesize": 11,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": "#dddddd",
            "grid.linewidth": 0.6,
            "axes.prop_cycle": plt.cycler(color=COLORS),
            "lines.linewidth": 1.8,
            "lines.markersize": 5.5,
            "legend.frameon": False,
            "legend.fontsize": 10,
        }
    )


def look(name: str, **changes) -> dict:
    """Keyword arguments for ``plot`` that draw ``name`` as everywhere in the book."""
    return {"label": name, **LOOKS[name], **changes}


def number_ticks(axis, values) -> None:
    """Label a logarithmic axis with exactly these values, as plain numbers."""
    axis.set_ticks(list(values), [f"{value:g}" for value in values])
    axis.set_ticks([], minor=True)


def with_room(values, end: float, labels: int = 8) -> list[float]:
    """Those of the values that have room for a label each on a logarithmic axis.

    Args:
        values: ticks in ascending order, above 0; the first is kept.
        end: the greatest value on the axis.
        labels: how many fit side by side over its length.
    """
    step = (max(end, values[-1]) / values[0]) ** (1 / labels)
    kept = [values[0]]
    for value in values[1:]:
        if value > 0.999 * step * kept[-1]:  # equal steps, but for rounding
            kept.append(value)
    return kept
