"""What a run depends on: the files it used, by their code, not by their words."""

import pytest

from unlearning.base import sources

CODE = '''"""A module."""

def f(x):
    """A function."""
    y = x + 1  # one more
    return "a # that stays", y


class C:
    """A class."""
'''


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (('"""A module."""', '"""Another word."""'), True),
        (('    """A function."""', '    """A function,\n\n    in many words.\n    """'), True),
        (("  # one more", ""), True),
        (("\n\n\nclass", "\n\nclass"), True),
        (("x + 1", "x + 2"), False),
        (("a # that stays", "a # that changes"), False),
        (("def f(x):", "def f(x=0):"), False),
    ],
)
def test_words_do_not_count_and_code_does(change, same):
    assert change[0] in CODE
    changed = CODE.replace(*change)
    assert (sources.code_only(changed) == sources.code_only(CODE)) == same


def test_what_is_not_python_comes_back_whole():
    assert sources.code_only("%%bash\nls # all") == "%%bash\nls # all"


def test_a_run_depends_on_what_it_imports():
    import unlearning as ul

    ul.distance  # noqa: B018  (the use imports its home)
    used = sources.used()
    assert "base/metrics.py" in used
    assert not [name for name in used if name.startswith(sources.BOOKKEEPING)]
    assert sources.changed(used) == []


def test_changed_and_missing_files_are_named():
    used = sources.used() | {"base/checks.py": "0" * 16, "attacks/no_such.py": "1" * 16}
    assert sources.changed(used) == ["attacks/no_such.py", "base/checks.py"]
