"""What a certificate lets a service do: checked when it is taken on, kept to ever after."""

import json
from typing import Any

from unlearning.base import checks

KINDS = ("public", "instance")
MODES = ("single", "many")
#: What to do where the capacity ends.
REMEDY = "repair and go on (service.go_on_from), or retrain"


def accepted(certificate: Any, run: Any, approximators: Any) -> dict | None:
    """The terms of a certificate as plain values, None if there is none.

    Args:
        certificate: with ``as_dict()``; its ``check(run, approximators)`` is called if it has one.
        run: that the service deletes from.
        approximators: of this run.

    Raises:
        ValueError: if it is no certificate, or one of another run or convention; or whatever its
            ``check`` refuses.
    """
    if certificate is None:
        return None
    if not hasattr(certificate, "as_dict"):
        checks.fail("certificate", "a certificate, or None", type(certificate).__name__)
    if hasattr(certificate, "check"):
        certificate.check(run, approximators)
    try:
        terms = json.loads(json.dumps(certificate.as_dict(), allow_nan=False))
    except (TypeError, ValueError) as error:
        checks.fail("certificate", "one of plain, finite values (JSON)", error)
    with checks.advising("is this a certificate of this run?"):
        _check(terms, run, approximators)
    return terms


def _check(terms: dict, run: Any, approximators: Any) -> None:
    checks.choice("certificate.kind", terms.get("kind"), KINDS)
    checks.choice("certificate.mode", terms.get("mode"), MODES)
    checks.choice("certificate.convention", terms.get("convention"), [approximators.convention])
    checks.integer("certificate.deletions", terms.get("deletions"), least=1)
    most = 1 if terms["mode"] == "single" else None
    checks.integer("certificate.releases", terms.get("releases"), least=1, most=most)
    for name in ("sensitivity", "epsilon", "sigma"):
        checks.finite(f"certificate.{name}", terms.get(name), above=0.0)
    if checks.finite("certificate.delta", terms.get("delta"), above=0.0) >= 1:
        checks.fail("certificate.delta", "a number between 0 and 1", terms["delta"])
    checks.listed("certificate.assumptions", terms.get("assumptions"), "a list of assumptions")
    if terms.get("fingerprint") not in (None, run.fingerprint):
        checks.fail("certificate.fingerprint", run.fingerprint, terms["fingerprint"])


def deletions_left(terms: dict | None, state: dict) -> int | None:
    """How many samples may still be deleted; None without a limit."""
    if terms is None:
        return None
    return 0 if _closed(terms, state) else terms["deletions"] - state["deletions"]


def releases_left(terms: dict | None, state: dict) -> int | None:
    """How many releases are left; None without a limit."""
    return None if terms is None else terms["releases"] - state["releases"]


def refuse_deletion(terms: dict | None, state: dict, count: int) -> None:
    """Refuse to delete so many samples if that is more than the certificate covers.

    Raises:
        ValueError: that says how many are left, and what to do.
    """
    if terms is None:
        return
    if _closed(terms, state):
        checks.fail("samples", "none: the one release has been made", f"{count}; {REMEDY}")
    left = deletions_left(terms, state)
    if count > left:
        wanted = f"at most {left} (the certificate covers {terms['deletions']} deletions)"
        checks.fail("samples", wanted, f"{count}; {REMEDY}")


def refuse_release(terms: dict | None, state: dict) -> None:
    """Refuse a release if none is left.

    Raises:
        ValueError: that says what to do.
    """
    if releases_left(terms, state) == 0:
        covered = "1 release" if terms["releases"] == 1 else f"{terms['releases']} releases"
        checks.fail("release", f"at most {covered}, as certified", f"one more; {REMEDY}")


def _closed(terms: dict, state: dict) -> bool:
    return terms["mode"] == "single" and state["releases"] > 0
