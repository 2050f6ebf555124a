"""The places where a deletion can be cut off, and what the next opening makes of each.

A deletion is a row of steps, each of which is on disk before the next begins (but for the mark of
the erasure, which gets there when the log is emptied: lost, all is only erased once more). Killed,
or refused by the system (a full disk, no permission), it leaves one of these:

=======================  ==================================  =====================================
window reached last      what lies in the folder             what the next opening finds and does
=======================  ==================================  =====================================
``checked``              nothing new                         before the request
(within the writing)     part of a new state, ``*.part``     before; the part is wiped
``state written``        a new state nobody refers to        before; the new state is wiped
(within the commit)      a commit, whole or not at all       before, or as ``committed``
``committed``            ledger: new state, erasure pending  after; rows erased, old state wiped
``row erased``           some rows are zeros                 after; all rows erased once more
``rows erased``          all rows are zeros                  after; the same, old state wiped
``overwritten``          the old state is zeros              after; the old state is unlinked
``unlinked``             the old state is gone               after; the erasure is marked as done
``erasure committed``    old pages in the ledger's log       after; the log is emptied
``emptied``              nothing but the new state           after
=======================  ==================================  =====================================

The commit is the moment of the deletion: before it the request has left no trace, after it the
request stands and its receipt can be had by asking again. ``committed`` is the only change of mind
on disk; all that follows only removes, and removing twice is removing. Going on after a repair
takes the same steps; its new rows are written before the new state, and are wiped like it. A
release is counted (``counted``) before its noise is drawn: cut off there, it has cost a release and
told nothing.
"""

#: In the order of a deletion; the last is of a release.
WINDOWS = (
    "checked",
    "state written",
    "committed",
    "row erased",
    "rows erased",
    "overwritten",
    "unlinked",
    "erasure committed",
    "emptied",
    "counted",
)


def reach(window: str) -> None:
    """Say that a window is reached. Does nothing: tests put here what ends the process."""
