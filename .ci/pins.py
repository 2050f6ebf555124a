"""Writes what `pip freeze` found as pins into a constraints file, and prints what changed.

python .ci/pins.py FREEZE.txt CONSTRAINTS.txt
"""

import os
import re
import sys
from pathlib import Path

# These follow from the torch version and the platform; pip itself computes nothing.
LEFT_OUT = re.compile(r"(nvidia-|cuda-|triton$|pip$|unlearning-companion$)")


def normal(name):
    """Returns a package's name as it is compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_pins(text):
    """Returns the `name==version` lines of a text as {name: version}."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    strange = [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.+!-]+", line)]
    if strange:
        sys.exit(f"expected lines of the form name==version, got {strange}")
    return dict(line.split("==") for line in lines)


def differences(old, new):
    """Returns one line for each package that is new, gone, or of another version."""
    before = {normal(name): version for name, version in old.items()}
    after = {normal(name): version for name, version in new.items()}
    return [
        f"{name}: {before.get(name, '(none)')} -> {after.get(name, '(none)')}"
        for name in sorted(before | after)
        if before.get(name) != after.get(name)
    ]


def main(freeze, constraints):
    """Rewrites the file `constraints`, whole or not at all, under the comment at its head."""
    old_text = constraints.read_text(encoding="utf-8")
    found = read_pins(freeze.read_text(encoding="utf-8"))
    new = {name: version for name, version in found.items() if not LEFT_OUT.match(normal(name))}
    head = [line for line in old_text.splitlines() if line.startswith("#")]
    pins = [f"{name}=={new[name]}" for name in sorted(new, key=str.lower)]
    part = constraints.with_suffix(".part")
    part.write_text("\n".join([*head, *pins]) + "\n", encoding="utf-8")
    os.replace(part, constraints)
    changed = differences(read_pins(old_text), new)
    print(
        f"{len(pins)} versions in {constraints.name}, {len(changed)} changed" + ":" * bool(changed)
    )
    print("".join(f"  {line}\n" for line in changed), end="")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
