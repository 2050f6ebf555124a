"""What chapter 14 takes from elsewhere and solves by itself, held against other computations."""

import re

import pytest
import torch

import unlearning as ul
from tests.notebooks.references import REFERENCES, is_checked, read
from unlearning.companion.chapters import chapters, notebooks_folder, read_chapter
from unlearning.companion.parameters import (
    check_parameters,
    declared_parameters,
    parameters_from_file,
)

NAME = "14_other_data_sets"
CELLS = read_chapter(chapters(notebooks_folder())[NAME]).cells
TEXT = "\n".join(cell.source for cell in CELLS if cell.cell_type == "markdown")


def defined(*names, **known):
    """Some functions and constants of the chapter, without running the rest of it."""
    space = {"ul": ul, "torch": torch, **known}
    for cell in CELLS:
        if cell.cell_type == "code":
            for block in re.split(r"\n(?=\S)(?![)}\]])", cell.source):
                if re.match(rf"(def )?({'|'.join(names)})\b", block):
                    exec(block, space)
    return [space[name] for name in names]


def short_run(l2=0.005):
    data = ul.load("wine_released", seed=0, n_train=40)
    network = ul.models.mlp(data, seed=0, hidden=3)
    schedule = ul.Schedule(0.01, 0.9995, 20, 2, clip=10.0, reshuffle=False)
    return ul.train(ul.Objective(network, l2=l2), data.train, schedule)


@pytest.mark.parametrize(
    ("method", "update"),
    [("Newton", ul.newton_step), ("jackknife", ul.infinitesimal_jackknife)],
)
def test_the_released_steps_are_the_librarys_where_it_solves_them(method, update, monkeypatch):
    """With damping enough for both: the chapter adds 2 x 0.01 to what it is given."""
    run, forgotten = short_run(), [3, 17, 30]
    mean_hessian, released_steps = defined("mean_hessian", "released_steps")
    kept = sorted(set(range(40)) - set(forgotten)) if method == "Newton" else list(range(40))
    shifted = mean_hessian(run, kept) + 2.0 * torch.eye(run.objective.dimension)
    found = released_steps(run, forgotten, shifted, len(kept))
    quirks = ("mean_gradient", "no_penalty", "double_damping")
    for how, more in (("as released", ("broadcast_step",)), ("whole step", ())):
        settings = {"convention": "R1", "damping": 1.01, "quirks": quirks + more}
        expected = update(run, forgotten, **settings).weights
        change = found[how] - run.weights
        assert float(change.norm()) > 1e-6
        assert torch.allclose(found[how].float(), expected, rtol=0, atol=1e-7)


def test_the_hessian_without_gauss_newton_has_no_trace():
    run = short_run()
    (mean_hessian,) = defined("mean_hessian")
    objective, rows = run.objective.to(dtype=torch.float64), run.samples.to(dtype=torch.float64)
    w = run.weights.double()
    jacobian = torch.func.jacrev(objective.outputs)(w, rows.inputs)
    p = objective.outputs(w, rows.inputs).softmax(dim=1)
    curved = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    ggn = torch.einsum("ncd,nck,nke->de", jacobian, curved, jacobian) / len(rows)
    rest = mean_hessian(run, list(range(40))) - ggn
    assert abs(float(rest.trace())) < 1e-12
    assert float(torch.linalg.eigvalsh(rest)[0]) < -1e-3


def test_the_published_numbers_in_code_are_those_of_the_table():
    (published,) = defined("PUBLISHED")
    rows = [line for line in TEXT.splitlines() if re.match(r'\| \w+ "\d+%"', line)]
    assert len(rows) == 6
    by_place = {}
    for row in rows:
        cells = [cell.strip() for cell in row.replace("&nbsp;", " ").strip("|").split("|")]
        name = cells[0].split()[0].lower()
        m = int(cells[1].rstrip("?"))
        pairs = [tuple(float(x) for x in c.split("±")) for c in cells[2:] if "±" in c]
        by_place[name, m] = pairs
    for (dataset, m), methods in published.items():
        assert by_place[dataset.removesuffix("_released"), m] == list(methods.values())


def test_the_schedule_that_is_not_recorded_fits_the_chapter():
    folder = notebooks_folder() / "parameters" / "not-recorded"
    declared = declared_parameters(read_chapter(chapters(notebooks_folder())[NAME]))
    (path,) = folder.glob("*.yml")
    given = check_parameters(parameters_from_file(path), declared)
    assert set(given) == set(declared) - {"record"}
    steps = given["epochs"] * -(-given["n_train"] // given["batch_size"])
    assert f"{steps:,}" in TEXT


def test_what_the_prose_says_of_the_released_recursion_is_what_the_page_prints():
    reference = read(REFERENCES / f"{NAME}.ipynb")
    printed = "".join(
        output.get("text", "")
        for cell in reference.cells
        if cell.cell_type == "code" and is_checked(cell)
        for output in cell.outputs
    )
    prose = " ".join(TEXT.split())
    seeds = re.findall(r"as released +(\d of \d)", printed)
    shares = re.findall(r"mean, as released / nothing: ([\d.]+)", printed)
    assert len(seeds) == len(shares) == 2
    first, second = seeds
    said = f"for {first} seeds at $m = 7$ and for {second} at $m = 14$"
    assert prose.count(said) == 2
    assert "its distance is {} and {} of that of doing nothing".format(*shares) in prose
