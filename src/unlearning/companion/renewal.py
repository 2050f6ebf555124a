"""What `unlearning record --renew` does: let a record stand after its code has changed.

One seed is run again by the present code. If it measures what the record says of it, digit for
digit, the other seeds are taken over from the record, and what is derived from them is computed
anew. The record says which seed was run again, and each seed keeps its own commit and date.

Times (milliseconds) are never the same twice. They are not compared, and a measurement that has
some keeps the recorded rows of the seed that was run again, too. Where code that is timed has
changed, record again instead.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unlearning.base import checks, provenance
from unlearning.companion import record as records
from unlearning.companion import recording
from unlearning.companion.study import parts_folder

#: Names of times.
MILLISECONDS = re.compile(r"\bms$")
HARMFUL = ("parameter", "the parameter file", "the record itself", "the form of records")


def renew(source: Path, name: str, values: dict[str, Any], seed: int) -> None:
    """Run one seed of a record again and, if nothing differs, put the record together anew.

    Args:
        source: the chapter.
        name: of the record.
        values: checked parameters.
        seed: the one to run.

    Raises:
        ValueError: if there is no such record or seed, if more than code has changed since, or if
            the seed measures something else now. The record is then as it was.
    """
    before = _record_to_renew(name)
    if seed not in before["parameters"]["seeds"]:
        checks.fail("--renew", f"one of {before['parameters']['seeds']}", seed)
    recording.make_seed(source, name, values, seed)
    fresh = {part: _measured(before, seed, part) for part in _parts(before)}
    # A measurement that this record's parameters leave out has no rows of any seed.
    blocks = _blocks(before, [part for part, found in fresh.items() if found["rows"]])
    timed = {
        part
        for part, found in fresh.items()
        if _compare(seed, blocks.get((part, seed), []), found["rows"])
    }
    taken = []
    try:
        for run in before["runs"]:
            if run["seed"] != seed or run["part"] in timed:
                rows = blocks.get((run["part"], run["seed"]), [])
                taken.append(_take_over(before, run, rows, fresh[run["part"]]))
        recording.make(source, name, values)
    finally:  # nobody shall find them and think that they were measured now
        for path in taken:
            path.unlink(missing_ok=True)
    by = {"seed": seed, "commit": fresh[_parts(before)[0]]["commit"]}
    records.mark_renewed(name, by, before["environment"])


def _parts(record: Mapping[str, Any]) -> list[str]:
    """The names of the measurements, in order."""
    return list(dict.fromkeys(run["part"] for run in record["runs"]))


def _measured(record: Mapping[str, Any], seed: int, part: str) -> dict[str, Any]:
    path = _path(record, seed, part)
    if not path.is_file():
        checks.fail("--renew", f"the measurement {part}, which the record has", "none of that name")
    return json.loads(path.read_text(encoding="utf-8"))


def _take_over(
    record: Mapping[str, Any], run: Mapping[str, Any], rows: list[dict], like: dict[str, Any]
) -> Path:
    """Lay a seed's recorded rows where ``Study`` looks for them."""
    path = _path(record, run["seed"], run["part"])
    records.write_whole(path, json.dumps(like | run | {"rows": rows}, indent=1))
    return path


def _record_to_renew(name: str) -> dict[str, Any]:
    record = records.load(name)
    if record is None:
        checks.fail("--renew", "a record that has been made", f"no results/{name}.json")
    harm = [change for change in record["stale"] if change.startswith(HARMFUL)]
    if harm:
        checks.fail("--renew", "a record since which only code has changed", ", ".join(harm))
    return record


def _path(record: Mapping[str, Any], seed: int, part: str) -> Path:
    """Where ``Study`` keeps the seed's rows."""
    others = {k: v for k, v in record["parameters"].items() if k != "seeds"}
    folder = parts_folder(record["name"]) / provenance.configuration_hash(others)
    return folder / f"seed-{seed}-{part}.json"


def _blocks(
    record: Mapping[str, Any], parts: list[str]
) -> dict[tuple[str, int], list[dict[str, Any]]]:
    """Rows by measurement and seed: the record has all seeds of one after the other."""
    wanted = [(part, seed) for part in parts for seed in record["parameters"]["seeds"]]
    blocks: list[list[dict[str, Any]]] = []
    for row in record["values"]:
        if not blocks or blocks[-1][-1]["seed"] != row["seed"]:
            blocks.append([])
        blocks[-1].append(row)
    if [block[0]["seed"] for block in blocks] != [seed for _, seed in wanted]:
        checks.fail("--renew", "a record with rows of each seed from each measurement", "others")
    return dict(zip(wanted, blocks, strict=True))


def _compare(seed: int, said: list[dict], rows: list[dict]) -> bool:
    """Refuse rows that are not as recorded, but for times; tell whether there are times."""
    measured = records.rounded(rows)
    if len(said) != len(measured):
        checks.fail("--renew", f"the record's {len(said)} rows of seed {seed}", len(measured))
    for one, other in zip(said, measured, strict=True):
        keys = [k for k in one.keys() | other.keys() if _differs(k, one, other)]
        if keys:
            shown = [{k: row.get(k) for k in sorted(keys)} for row in (one, other)]
            checks.fail("--renew", f"what the record has of seed {seed}, {shown[0]}", shown[1])
    return any(MILLISECONDS.search(key) for row in measured for key in row)


def _differs(key: str, one: Mapping, other: Mapping) -> bool:
    """Whether two rows say something else there; two times do not."""
    times = MILLISECONDS.search(key) and key in one and key in other
    return not times and one.get(key) != other.get(key)
