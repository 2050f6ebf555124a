"""The claims of the two papers, as listed in ``claims.yml``, and what would decide each of them."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from unlearning.base import checks
from unlearning.companion import record as records
from unlearning.companion.chapters import book_root, chapters, notebooks_folder
from unlearning.companion.schema import schema_faults

NOT_AT_HAND = "statement not at hand"


@dataclass(frozen=True, eq=False)
class Protocol:
    """A published experiment: its setting, and the record that repeats it.

    A record that has another value for one of ``published`` is not of this protocol.
    """

    id: str
    setting: str
    source: tuple[str, ...]
    chapter: str
    parameters: str
    seeds: tuple[int, ...]
    published: dict[str, Any]

    @property
    def parameter_file(self) -> str:
        """The parameter file, as a path in the repository."""
        return f"notebooks/parameters/{self.parameters}.yml"

    @property
    def command(self) -> str:
        """The command that makes this protocol's record."""
        return f"unlearning record {self.chapter} -f {self.parameter_file}"


@dataclass(frozen=True)
class Criterion:
    """A measured quantity and the limit that it must keep.

    ``every_seed``: each seed must keep it, not the interval over the seeds. ``correlation``: the
    interval is taken on Fisher's scale. ``decides``: False for what is our own addition, shown
    beside the verdict. ``needs``: controls, other criteria of the claim, without which a miss shows
    nothing. ``power``: controls without which it shows nothing either way, as where a test could
    not have seen what it looks for.
    """

    id: str
    quantity: str
    protocol: str
    below: float | None = None
    above: float | None = None
    conventions: tuple[str, ...] = (None,)
    every_seed: bool = False
    correlation: bool = False
    decides: bool = True
    mode: str = "as_specified"
    needs: tuple[str, ...] = ()
    power: tuple[str, ...] = ()

    @property
    def limit(self) -> str:
        """The limit in words."""
        words = f"below {self.below:g}" if self.above is None else f"above {self.above:g}"
        return f"{words} for every seed" if self.every_seed else words


@dataclass(frozen=True)
class Claim:
    """One claim of a paper, with what would confirm and what would refute it."""

    id: str
    paper: str
    kind: str
    place: str
    statement: str
    source: tuple[str, ...]
    chapter: str
    confirms: str
    refutes: str
    note: str = ""
    not_testable: str | None = None
    stands_for: int = 1
    criteria: tuple[Criterion, ...] = ()

    def criterion(self, name: str) -> Criterion:
        """The criterion of this name.

        Raises:
            ValueError: if there is none; the message lists those that exist.
        """
        found = {criterion.id: criterion for criterion in self.criteria}
        return found[checks.choice("criterion", name, found or ["(this claim has none)"])]


@dataclass(frozen=True)
class Claims:
    """All of ``claims.yml``."""

    papers: dict[str, dict[str, Any]]
    planned: dict[str, str]
    protocols: dict[str, Protocol]
    claims: dict[str, Claim]

    def __getitem__(self, name: str) -> Claim:
        """The claim of this id; a ``ValueError`` if there is none."""
        return self.claims[checks.choice("claim", name, self.claims)]


@functools.cache
def load(path: Path | None = None) -> Claims:
    """Read and check ``claims.yml``.

    Args:
        path: of the file; the one beside the notebooks by default.

    Raises:
        ValueError: with every fault found, each naming its entry and field.
    """
    path = path or book_root() / "claims.yml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    faults = list(schema_faults(content, "claims")) or _sense_faults(content)
    if faults:
        raise ValueError(f"{path.name}:\n  " + "\n  ".join(faults))
    return Claims(
        content["papers"],
        content["planned"],
        {name: Protocol(name, **_tuples(p)) for name, p in content["protocols"].items()},
        {claim["id"]: _claim(claim) for claim in content["claims"]},
    )


def _claim(entry: dict[str, Any]) -> Claim:
    criteria = tuple(Criterion(**_tuples(c)) for c in entry.get("criteria", []))
    return Claim(**_tuples(entry) | {"criteria": criteria})


def _tuples(entry: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()}


def _sense_faults(content: dict[str, Any]) -> list[str]:
    """What a schema cannot see: doubles, and names that lead nowhere."""
    ids = [claim["id"] for claim in content["claims"]]
    faults = [f"{name}: stands twice" for name in sorted(set(ids)) if ids.count(name) > 1]
    written = {name[:2] for name in chapters(notebooks_folder())}
    faults += [f"planned.{n}: this chapter is written" for n in content["planned"] if n in written]
    known = written | set(content["planned"])
    for name, protocol in content["protocols"].items():
        faults += _protocol_faults(name, protocol, known, written)
    for claim in content["claims"]:
        faults += [f"{claim['id']}: {fault}" for fault in _claim_faults(claim, content, known)]
    return faults + _count_faults(content)


def _protocol_faults(name: str, protocol: dict, known: set, written: set) -> list[str]:
    if protocol["chapter"] not in known:
        return [f"protocols.{name}: chapter {protocol['chapter']} is neither written nor planned"]
    file = notebooks_folder() / "parameters" / f"{protocol['parameters']}.yml"
    if protocol["chapter"] in written and not file.is_file():
        return [f"protocols.{name}: expected the file notebooks/parameters/{file.name}"]
    return []


def _claim_faults(claim: dict, content: dict, known: set) -> list[str]:
    faults = []
    if claim["chapter"] not in known:
        faults.append(f"chapter {claim['chapter']} is neither written nor planned")
    if claim["paper"] not in content["papers"]:
        faults.append(f"paper: expected one of {', '.join(content['papers'])}")
    at_hand = claim["statement"] != NOT_AT_HAND
    if at_hand and not claim["source"]:
        faults.append("source: expected where the statement is known from")
    criteria = claim.get("criteria", [])
    beside = {criterion["id"] for criterion in criteria if not criterion.get("decides", True)}
    for criterion in criteria:
        if criterion["protocol"] not in content["protocols"]:
            faults.append(f"criteria.{criterion['id']}: unknown protocol {criterion['protocol']}")
        for name in (*criterion.get("needs", []), *criterion.get("power", [])):
            if name not in beside:
                faults.append(f"criteria.{criterion['id']}: needs {name}, no control of this claim")
    return faults


STATEMENTS = ("theorem", "lemma", "corollary", "definition", "statement")


def _count_faults(content: dict[str, Any]) -> list[str]:
    """The entries must cover what the papers number, no more and no less."""
    faults = []
    for paper, about in content["papers"].items():
        for kind, expected in about.get("numbered", {}).items():
            kinds = STATEMENTS if kind == "statement" else (kind,)
            mine = [c for c in content["claims"] if c["paper"] == paper and c["kind"] in kinds]
            covered = sum(claim.get("stands_for", 1) for claim in mine)
            if covered != expected:
                faults.append(f"{paper}: expected entries for {expected} {kind}s, got {covered}")
    return faults


def record_of(protocol: Protocol) -> str:
    """The name of the record that a protocol's command makes."""
    return records.name_for(protocol.chapter, Path(f"{protocol.parameters}.yml"))
