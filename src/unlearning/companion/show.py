"""What a chapter puts on its page: tables and figures with their numbers, and verdicts.

A table or figure carries its numbers as CSV in the metadata of its output. A notebook shows only
the picture; the book writes the numbers to a file and offers it below, with where they come from.
"""

import base64
import html
import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from unlearning.companion import verdicts

DATA = "unlearning_data"  # the key in the metadata of an output


class Shown:
    """An output as text and as something richer, with its numbers if it has any."""

    def __init__(self, text: str, kind: str, content: str, data: dict[str, str] | None = None):
        self.kinds = {"text/plain": text, kind: content}
        self.metadata = {DATA: data} if data else {}

    def _repr_mimebundle_(self, include=None, exclude=None) -> tuple[dict, dict]:
        return self.kinds, self.metadata


def table(
    name: str,
    frame: pd.DataFrame,
    *,
    digits: int | str | None = None,
    record: Mapping[str, Any] | None = None,
) -> Shown:
    """A table with its numbers to download.

    Args:
        name: of the table and its file, such as ``tab-accuracy``.
        frame: what to show; the file has all its digits.
        digits: decimals to show, or a format such as ``.1e``; None for all. A place without a
            number stays empty, and a number that the decimals would hide is shown as such.
        record: the record that the numbers come from, if it is not the run of the page.
    """
    style = f".{digits}f" if isinstance(digits, int) else digits
    shown = frame if style is None else frame.map(lambda value: _formatted(value, style))
    return Shown(repr(shown), "text/html", shown._repr_html_(), _data(name, frame, record))


def _formatted(value: Any, style: str) -> Any:
    if not isinstance(value, float):
        return value
    if math.isnan(value):
        return ""
    shown = format(value, style)
    return f"{value:.0e}" if value and not float(shown) else shown


def figure(fig, frame: pd.DataFrame, *, record: Mapping[str, Any] | None = None) -> Shown:
    """A figure with the numbers it draws; its cell gives it a name and a caption.

    Args:
        fig: the matplotlib figure; it is closed.
        frame: the numbers it shows.
        record: the record that they come from, if it is not the run of the page.
    """
    import matplotlib.pyplot as plt
    from IPython.core.pylabtools import print_figure

    png = print_figure(fig, fmt="png", dpi=fig.dpi)
    plt.close(fig)
    picture = base64.b64encode(png).decode()
    return Shown(repr(fig), "image/png", picture, _data("", frame, record))


def _data(name: str, frame: pd.DataFrame, record: Mapping[str, Any] | None) -> dict[str, str]:
    csv = frame.to_csv(float_format="%.6g", lineterminator="\n")
    return {"name": name, "csv": csv, "record": record["name"] if record else ""}


def findings(found: Iterable[Mapping[str, Any]]) -> Shown:
    """What the run of this page gives for the criteria of claims: an illustration, no verdict."""
    quantities = _by_quantity(found, "here")
    text = "\n".join("\n  ".join([head, *lines]) for head, lines in quantities.items())
    return Shown(text, "text/html", f'<div class="findings-box">{_lists(quantities)}</div>')


def _by_quantity(found: Iterable[Mapping[str, Any]], where: str = "") -> dict[str, list[str]]:
    """Each quantity with its limit, and a line for each convention and mode."""
    quantities: dict[str, list[str]] = {}
    for f in found:
        line = f"{verdicts.measured(f)}{_mode(f)}: {f['outcome']} {where}".rstrip()
        quantities.setdefault(f"{f['quantity']} (wanted: {f['limit']})", []).append(line)
    return quantities


def _lists(quantities: Mapping[str, list[str]]) -> str:
    return "".join(
        f"{html.escape(head)}<ul>{''.join(f'<li>{line}</li>' for line in lines)}</ul>"
        for head, lines in quantities.items()
    )


def _mode(f: Mapping[str, Any]) -> str:
    return " (as released)" if f["mode"] == "as_released" else ""


def verdict(*names: str) -> Shown:
    """The verdicts on claims, read off the records: the end of a chapter.

    Args:
        names: ids in ``claims.yml``.
    """
    given = [verdicts.verdict(name) for name in names]
    rows = "".join(_verdict_row(v) for v in given)
    text = "\n".join(f"{v.claim.place}: {v.state}" for v in given)
    head = "<tr><th>claim</th><th>verdict</th><th>measured</th></tr>"
    body = f'<table class="verdicts"><thead>{head}</thead><tbody>{rows}</tbody></table>'
    return Shown(text, "text/html", f'<div class="verdicts-box">{body}</div>')


def _verdict_row(v: verdicts.Verdict) -> str:
    claim = v.claim
    return (
        f'<tr id="claim-{claim.id}"><td><strong>{html.escape(claim.place)}</strong>: '
        f"{html.escape(claim.statement)}</td><td>{badge(v)}</td><td>{measurements(v)}</td></tr>"
    )


def badge(v: verdicts.Verdict) -> str:
    """A verdict as HTML that says which claim it is about, so that pages can be checked."""
    kind = v.state.replace(" ", "-")
    stale = ""
    if v.stale:
        names = " ".join(v.stale)
        stale = f' <span class="stale" data-record="{names}">STALE record</span>'
    return (
        f'<span class="verdict {kind}" data-claim="{v.claim.id}" data-state="{v.state}">'
        f"{v.state}</span>{stale}"
    )


def measurements(v: verdicts.Verdict) -> str:
    """What stands behind a verdict, as HTML: each quantity with its limit and what was found.

    Our additions that do not decide are folded away: they are often more than what decides.
    """
    additions = [f for f in v.beside if not v.claim.criterion(f["criterion"]).decides]
    deciding = [*v.findings, *(f for f in v.beside if f not in additions)]
    text = _lists(_by_quantity(deciding)) + _folded(_by_quantity(additions))
    text += "".join(f"not measured yet: {html.escape(what)}<br>" for what in v.missing)
    return text + html.escape(v.claim.not_testable or "")


def _folded(quantities: Mapping[str, list[str]]) -> str:
    if not quantities:
        return ""
    count = f"{len(quantities)} more" if len(quantities) > 1 else "one more"
    summary = f"<summary>beside it, {count}: our additions that do not decide</summary>"
    return f'<details class="beside">{summary}{_lists(quantities)}</details>'
