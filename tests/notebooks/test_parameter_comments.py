"""A reader changes parameters by name: every line of their cell says what it means."""

import io
import tokenize

import pytest

from unlearning.companion.chapters import chapters, notebooks_folder, read_chapter

CHAPTERS = chapters(notebooks_folder())


def comments(source):
    """The comment at the end of each line, by the name that the line declares."""
    found = {}
    for line in source.splitlines():
        tokens = list(tokenize.generate_tokens(io.StringIO(line).readline))
        texts = [token.string for token in tokens if token.type == tokenize.COMMENT]
        found[tokens[0].string] = texts[0].lstrip("# ") if texts else ""
    return found


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_parameter_has_a_comment(name):
    cells = read_chapter(CHAPTERS[name]).cells
    (source,) = [c.source for c in cells if "parameters" in c.metadata.get("tags", [])]
    found = comments(source)
    assert found
    assert not [parameter for parameter, text in found.items() if len(text) < 8]
