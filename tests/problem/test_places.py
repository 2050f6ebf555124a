"""Where files are looked for, and what becomes of a download."""

import hashlib
import tarfile
import zipfile
from functools import partial

import pytest

from unlearning.problem import places

pytestmark = pytest.mark.usefixtures("folder")


def unasked(cache):
    raise AssertionError("nothing was to be downloaded")


def zipped(path, name, text):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, text)
    return path.as_uri()


def test_the_readers_own_folder_comes_first_and_nothing_is_written(tmp_path):
    own = tmp_path / "data" / "Set" / "a.csv"
    own.parent.mkdir(parents=True)
    own.write_text("1")
    assert places.find("Set/a.csv", unasked, "") == own
    assert not (tmp_path / "cache").exists()
    assert [path.name for path in own.parent.iterdir()] == ["a.csv"]


def test_a_file_is_taken_out_of_a_zip_archive_once(tmp_path):
    url = zipped(tmp_path / "set.zip", "a.csv", "1,2")
    get = partial(places.download_member, url, "Set/a.csv")
    found = places.find("Set/a.csv", get, "")
    assert found == tmp_path / "cache" / "Set" / "a.csv"
    assert found.read_text() == "1,2"
    assert [path.name for path in found.parent.iterdir()] == ["a.csv"]
    assert places.find("Set/a.csv", unasked, "") == found


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: zipped(path, "b.csv", ""), r"set\.zip holds no a\.csv"),
        (lambda path: path.as_uri(), "No such file"),
        (lambda path: path.write_text("not an archive") and path.as_uri(), "holds no a.csv"),
    ],
)
def test_a_failed_download_names_the_folders_and_leaves_nothing(tmp_path, make, message):
    get = partial(places.download_member, make(tmp_path / "set.zip"), "Set/a.csv")
    with pytest.raises(RuntimeError, match=message) as refused:
        places.find("Set/a.csv", get, "Ask the owner")
    text = str(refused.value)
    assert text.startswith(f"Set: not found in {tmp_path / 'data' / 'Set' / 'a.csv'} (UNLEARNING_")
    assert f"nor in {tmp_path / 'cache'} (UNLEARNING_CACHE)" in text
    assert text.endswith("; Ask the owner")
    assert not (tmp_path / "cache" / "Set" / "a.csv").exists()


def packed(tmp_path):
    (tmp_path / "lfw" / "Ann").mkdir(parents=True)
    (tmp_path / "lfw" / "Ann" / "1.jpg").write_text("x")
    path = tmp_path / "lfw.tgz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(tmp_path / "lfw", "lfw")
    return path.as_uri(), hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_folder_is_unpacked_if_the_archive_is_the_expected_one(tmp_path):
    url, digest = packed(tmp_path)
    wrong = partial(places.download_folder, url, "0" * 64, "LFW/lfw")
    with pytest.raises(RuntimeError, match=f"expected a file of SHA-256 {'0' * 64}, got {digest}"):
        places.find("LFW/lfw", wrong, "")
    get = partial(places.download_folder, url, digest, "LFW/lfw")
    found = places.find("LFW/lfw", get, "")
    assert (found / "Ann" / "1.jpg").read_text() == "x"
    assert [path.name for path in found.parent.iterdir()] == ["lfw"]


def test_a_folder_is_found_only_when_it_was_unpacked_to_the_end(tmp_path):
    def get(cache, end):
        def write(part):
            (part / "set").mkdir(parents=True)
            (part / "set" / "1").write_text("new")
            end()  # the process is killed here, or not
            (part / "set" / "2").write_text("new")

        places.unpacked(cache / "set", write)

    def killed():
        raise KeyboardInterrupt

    before = tmp_path / "cache" / "set" / "0"
    before.parent.mkdir(parents=True)
    before.write_text("what an earlier version left, without the member")
    with pytest.raises(KeyboardInterrupt):
        places.find("set/1", partial(get, end=killed), "")
    assert not (tmp_path / "cache" / "set" / "1").exists()
    places.find("set/1", partial(get, end=lambda: None), "")
    assert sorted(path.name for path in before.parent.iterdir()) == ["1", "2"]
    assert not (tmp_path / "cache" / "set.part").exists()


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_cache_that_cannot_be_made_is_named(tmp_path, monkeypatch, place):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("UNLEARNING_CACHE", str(tmp_path / place))
    with pytest.raises(ValueError, match=f"UNLEARNING_CACHE: expected a folder, .*{place}"):
        places.find("Set/a.csv", unasked, "")
