"""The example in the README runs as printed."""

import re

from tests.book.site import ROOT


def test_example_runs_as_printed(capsys):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    examples = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    assert len(examples) == 1
    exec(compile(examples[0], "README.md", "exec"), {})
    unlearned, unchanged = map(float, capsys.readouterr().out.split())
    assert 0 < unlearned < unchanged, "forgetting should come nearer to the retrained model"
