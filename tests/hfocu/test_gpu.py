"""The whole way on a GPU gives what it gives on the CPU, and the host waits for nothing between.

What can be checked of these tests without a GPU is checked on the CPU by the same functions.
"""

from contextlib import contextmanager

import pytest
import torch

import unlearning as ul
from tests.cases import cases
from unlearning.curvature.products import KERNELS, kernel_for
from unlearning.hfocu.job import Job
from unlearning.hfocu.settings import Settings
from unlearning.hfocu.sources import Replay
from unlearning.training import descent
from unlearning.training.descent import STRETCH, Position
from unlearning.training.trajectory import walk

every_device = pytest.mark.parametrize(
    "device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]
)
MODELS = {case.name: case for case in cases()}
FITTING = [
    (name, kernel)
    for name, case in MODELS.items()
    for kernel in KERNELS
    if kernel == kernel_for(ul.Objective(case.model)) or kernel in ("auto", "generic")
]
every_kernel = pytest.mark.parametrize(("name", "kernel"), FITTING)


def run_on(device: str, name: str, dtype=torch.float64, **changes) -> ul.Run:
    """A case of the other tests, on a device."""
    case = MODELS[name]
    samples = case.data.train.to(dtype, device)
    model = ul.Objective(case.model).module(ul.Objective(case.model).initial_weights)
    objective = ul.Objective(model.to(device=device, dtype=dtype).requires_grad_(True), l2=0.1)
    given = {"batch_size": 5, "epochs": 7, "decay": 0.99, "clip": case.clip, "seed": 3, **changes}
    return ul.train(objective, samples, ul.Schedule(0.3, **given))


@pytest.fixture(scope="module")
def reference():
    """The same in double precision on the CPU, with the kernel that fits every model."""
    found = {}

    def of(name: str, convention: str) -> torch.Tensor:
        if (name, convention) not in found:
            run = run_on("cpu", name)
            vectors = ul.recollect(run, convention=convention, kernel="generic").vectors
            found[name, convention] = run.weights, vectors
        return found[name, convention]

    return of


@every_device
@every_kernel
@pytest.mark.parametrize("convention", ul.CONVENTIONS)
def test_devices_agree_in_double_precision(device, name, kernel, convention, reference):
    run = run_on(device, name)
    found = ul.recollect(run, kernel=kernel, convention=convention)
    assert found.vectors.device.type == device
    weights, vectors = reference(name, convention)
    torch.testing.assert_close(run.weights.cpu(), weights, rtol=0, atol=1e-9)
    torch.testing.assert_close(found.vectors.cpu(), vectors, rtol=0, atol=1e-9)
    unlearned = ul.forget(run, found, [3, 11])
    assert unlearned.device.type == device
    expected = weights + vectors[[3, 11]].sum(0)
    torch.testing.assert_close(unlearned.cpu(), expected, rtol=0, atol=1e-9)


@every_device
@every_kernel
def test_devices_agree_in_single_precision(device, name, kernel, reference):
    """To 1e-4 of the largest entry; tf32, with its 10 bits, would miss that by far."""
    run = run_on(device, name, torch.float32)
    vectors = ul.recollect(run, kernel=kernel).vectors
    assert vectors.dtype == torch.float32
    _, expected = reference(name, "R2")
    error = (vectors.cpu().double() - expected).abs().max() / expected.abs().max()
    assert error < 1e-4


@every_device
@pytest.mark.parametrize("name", MODELS)
def test_every_mode_agrees_on_the_device(device, name, tmp_path):
    run = run_on(device, name)
    vectors = ul.recollect(run).vectors
    _, along = ul.train_and_recollect(
        run.objective, run.samples, run.schedule, folder=tmp_path / "along"
    )
    stored = ul.recollect(run, folder=tmp_path / "replay", save_every=0)
    opened = ul.open_approximators(tmp_path / "replay", device)
    for found in (along, stored, opened):
        assert found.vectors[[2]].device.type == device
        torch.testing.assert_close(found.vectors[:], vectors, rtol=0, atol=1e-12)
    retrained = ul.retrain(run, [3, 11])
    assert retrained.device.type == device


@every_device
def test_runs_repeat_bit_for_bit_on_one_device(device):
    first, second = (run_on(device, "smooth_cnn", torch.float32) for _ in range(2))
    assert torch.equal(first.trajectory, second.trajectory)
    a, b = (ul.recollect(run).vectors for run in (first, second))
    assert torch.equal(a, b)


# The host reads nothing back inside the loops.


@contextmanager
def no_waiting(device: str):
    """On a GPU, an error where the host would wait for it."""
    if device == "cpu":
        yield
        return
    torch.cuda.synchronize()
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)


@every_device
@every_kernel
@pytest.mark.parametrize("clip", [None, 0.6], ids=["idle", "active"])
def test_a_stretch_of_the_recursion_waits_for_nothing(device, name, kernel, clip, monkeypatch):
    run = run_on(device, name, torch.float32, clip=clip)
    for sets in (None, [[1, 4], [4, 9, 11]]):
        job = Job(Replay(run), Settings(sets=sets, kernel=kernel, chunk=5))
        recursion = job._recursion(job._plan(5), job.rows)
        vectors, stretches = recursion.start(), list(run.stretches())
        checked = []
        with monkeypatch.context() as patch:
            for _ in recursion.advance(vectors, stretches[0]):  # libraries are loaded on first use
                pass
            patch.setattr(recursion, "check_finite", lambda seen=checked: seen.append(1))
            with no_waiting(device):
                steps = [t for part in recursion.advance(vectors, stretches[1]) for t in part]
        assert steps == list(range(STRETCH, len(run)))
        assert checked == [1]  # the one place where it waits
        recursion.check_finite()


@every_device
@pytest.mark.parametrize("name", MODELS)
def test_the_steps_of_a_stretch_of_training_wait_for_nothing(device, name, monkeypatch):
    run = run_on(device, name, torch.float32)
    assert len(run) > STRETCH
    made = []
    inner, gradient = descent._Walk.step, ul.Objective.gradient_and_loss

    def guarded(*arguments):
        made.append(1)
        with no_waiting(device):
            return inner(*arguments)

    def guarded_gradient(*arguments):
        with no_waiting(device):
            return gradient(*arguments)

    monkeypatch.setattr(descent._Walk, "step", guarded)
    monkeypatch.setattr(ul.Objective, "gradient_and_loss", guarded_gradient)
    start = Position(run.initial_weights)
    *_, (_, end) = walk(run.objective, run.samples, run.schedule, start, "")
    assert len(made) == len(run)
    torch.testing.assert_close(end.weights, run.weights, rtol=0, atol=0)


@every_device
def test_single_precision_is_not_rounded_to_tf32(device, monkeypatch):
    """Neither inside a recollection nor, for whoever calls, afterwards."""
    run = run_on(device, "smooth_cnn", torch.float32, epochs=1)
    precisions = []
    gradient = ul.Objective.gradient_and_loss

    def noted(*arguments):
        precisions.append(torch.backends.cudnn.conv.fp32_precision)
        return gradient(*arguments)

    before = torch.backends.cudnn.conv.fp32_precision
    monkeypatch.setattr(ul.Objective, "gradient_and_loss", noted)
    ul.train_and_recollect(run.objective, run.samples, run.schedule)
    assert set(precisions) == {"ieee"}
    assert torch.backends.cudnn.conv.fp32_precision == before
    assert torch.backends.cuda.matmul.fp32_precision != "tf32"
    assert not torch.backends.cuda.matmul.allow_tf32


@every_device
def test_digits_from_loading_to_deleting(device):
    """Through the public verbs alone."""
    ends = []
    for place in ("cpu", device):
        data = ul.load("digits", n_train=100, dtype=torch.float64, device=place)
        objective = ul.Objective(ul.models.mlp(data, activation="softplus"), l2=0.01)
        run = ul.train(objective, data.train, ul.Schedule(0.1, batch_size=32, epochs=2, clip=1.0))
        unlearned = ul.forget(run, ul.recollect(run), [3, 14])
        ends.append((unlearned.cpu(), ul.retrain(run, [3, 14]).cpu()))
    for a, b in zip(*ends, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-9)
