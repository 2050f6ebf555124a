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
        (("# that stays", "#  that stays"), False),
    ],
)
def test_words_do_not_count_and_code_does(change, same):
    assert change[0] in CODE
    changed = CODE.replace(*change)
    assert (sources.code_only(changed) == sources.code_only(CODE)) == same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('def f(x): "doc"; return x', 'def f(x): "doc"; return 2 * x'),
        ('"""é"""; x = 1', '"""é"""; x = 2'),
        ('x = """a\n\nb"""', 'x = """a\nb"""'),
        ('x = """a  \nb"""', 'x = """a\nb"""'),
        ("for i in y:\n    a()\n    b()", "for i in y:\n    a()\nb()"),
    ],
)
def test_code_beside_words_and_text_inside_strings_count(one, other):
    assert sources.code_only(one) != sources.code_only(other)


def test_what_is_not_python_comes_back_whole():
    assert sources.code_only("%%bash\nls # all") == "%%bash\nls # all"


def test_a_run_depends_on_what_it_imports():
    import unlearning as ul

    ul.distance  # noqa: B018  (the use imports its home)
    used = sources.used()
    assert {"__init__.py", "base/metrics.py"} <= set(used)
    assert not sources.BOOKKEEPING & set(used)
    assert sources.changed(used) == []
    assert used.items() <= sources.everything().items()


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("__init__.py", True),  # it gives every public name its meaning
        ("_homes.py", False),
        ("hfocu/recollection.py", True),
        ("companion/criteria.py", True),  # it makes means and intervals of what was measured
        ("companion/study.py", True),
        ("companion/show.py", False),
        ("base/provenance.py", False),
        ("base/shards.py", False),
        ("hfocu/work.py", False),
        ("base/rounding.py", True),  # it says which numbers a store in bfloat16 holds
    ],
)
def test_what_takes_part_in_results_counts(name, counts):
    assert sources.computes(name) == counts
    assert (sources.PACKAGE / name).is_file()
    assert (name in sources.everything()) == counts


def test_changed_and_missing_files_are_named():
    used = sources.used() | {"base/checks.py": "0" * 16, "attacks/no_such.py": "1" * 16}
    assert sources.changed(used) == ["attacks/no_such.py", "base/checks.py"]
