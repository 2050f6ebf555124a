"""The commit of a tree: from git, from the file COMMIT, or from nowhere."""

import subprocess

import pytest

from unlearning.base import provenance
from unlearning.base.revision import FILE, Revision, changed_files, known_files, revision

AT = Revision("0123456789abcdef0123456789abcdef01234567", 1_700_000_000, changed=False)


@pytest.fixture
def clone(tmp_path):
    """A clone with one commit of one file."""
    (tmp_path / "a.txt").write_text("a")
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    return tmp_path


def head(clone):
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=clone, capture_output=True, text=True)
    return done.stdout.strip()


def test_clone_is_at_its_head(clone):
    found = revision(clone)
    assert (found.commit, found.changed) == (head(clone), False)
    assert str(found) == head(clone)[:12]


def test_changes_to_tracked_files_show(clone):
    (clone / "a.txt").write_text("b")
    assert str(revision(clone)) == f"{head(clone)[:12]}+changes"


def test_outputs_do_not_count(clone):
    (clone / "a.txt").write_text("b")
    assert not revision(clone, outputs=("a.txt",)).changed
    assert revision(clone, outputs=("results/",)).changed


def test_a_tree_inside_a_clone_is_not_at_that_clones_commit(clone):
    inner = clone / "unpacked"
    inner.mkdir()
    assert revision(inner) is None
    (inner / FILE).write_text(AT.to_text({}))
    assert revision(inner) == AT


@pytest.mark.parametrize("changed", [True, False])
def test_the_file_says_the_same(tmp_path, changed):
    written = Revision(AT.commit, AT.seconds, changed)
    (tmp_path / FILE).write_text(written.to_text({}))
    assert revision(tmp_path) == written
    assert "2023-11-14T22:13:20Z" in written.to_text({})


def test_a_file_that_is_not_what_it_was_shows_without_git(tmp_path):
    (tmp_path / "a.txt").write_text("a")
    digest = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"  # of the letter a
    (tmp_path / FILE).write_text(AT.to_text({"a.txt": digest}))
    assert revision(tmp_path) == AT
    assert known_files(tmp_path) == ["a.txt"]
    for change in ((tmp_path / "a.txt").unlink, lambda: (tmp_path / "a.txt").write_text("b")):
        change()
        assert str(revision(tmp_path)) == "0123456789ab+changes"
        assert changed_files(tmp_path) == ["a.txt"]


def test_a_malformed_file_is_refused(tmp_path):
    (tmp_path / FILE).write_text("commit: abc\ndate: yesterday\nchanges: no\n")
    with pytest.raises(ValueError, match="COMMIT: expected the lines commit, date and changes"):
        revision(tmp_path)


@pytest.mark.parametrize(("text", "said"), [(AT.to_text({}), "0123456789ab"), (None, "unknown")])
def test_a_record_names_the_commit_of_an_unpacked_archive(tmp_path, monkeypatch, text, said):
    if text:
        (tmp_path / FILE).write_text(text)
    monkeypatch.setattr(provenance, "repository_root", lambda: tmp_path)
    assert provenance.commit() == said
