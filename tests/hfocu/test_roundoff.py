"""What rounding may add, against the same run with 40 digits and against one without error."""

import math

import mpmath
import numpy as np
import pytest

import unlearning as ul
from tests.hfocu.paths import draw_from_own_weights
from unlearning.hfocu.roundoff import with_roundoff

exp = np.frompyfunc(mpmath.exp, 1, 1)


def precise(values):
    """An array of numbers with 40 digits; those of double precision are exact in them."""
    mpmath.mp.dps = 40
    return np.frompyfunc(mpmath.mpf, 1, 1)(np.asarray(values, np.float64))


def exact_paths(run, forget):
    """w_T, v_T (retrained, R2) and a_T with 40 digits, for a layer without bias."""
    x = precise(run.samples.inputs.flatten(1))
    hot = precise(np.eye(len(run.objective.architecture.weight)))[run.samples.labels]
    l2 = mpmath.mpf(run.objective.l2)
    w = v = precise(run.initial_weights).reshape(hot.shape[1], -1)
    a = 0 * w

    def soft(w, rows):
        z = x[rows] @ w.T
        e = exp(z)
        return e / e.sum(1, keepdims=True)

    def gradient(w, rows):
        return (soft(w, rows) - hot[rows]).T @ x[rows] + len(rows) * l2 * w

    for eta, batch in zip(run.step_sizes, run.batches, strict=True):
        rows, eta = batch.tolist(), mpmath.mpf(eta)
        kept, gone = ([i for i in rows if (i in forget) == which] for which in (False, True))
        p, t = soft(w, rows), x[rows] @ a.T
        r = p * (t - (p * t).sum(1, keepdims=True))
        product = r.T @ x[rows] / len(rows) + l2 * a
        a = a - eta * product + eta / len(rows) * gradient(w, gone)
        v = v - eta / len(rows) * gradient(v, kept)
        w = w - eta / len(rows) * gradient(w, rows)
    return w.ravel(), v.ravel(), a.ravel()


def unbiased(n, features, classes, eta, epochs, batch, seed=0):
    sizes = {"n": n, "features": features, "classes": classes, "batch": batch, "epochs": epochs}
    drawn = draw_from_own_weights(seed, bias=False, eta=eta, l2=0.1, scale=1.0, decay=0.99, **sizes)
    return drawn.run


def length(vector):
    return float(mpmath.sqrt((vector * vector).sum()))


@pytest.mark.parametrize(("n", "features", "batch"), [(12, 3, 5), (150, 20, 150), (100, 20, 32)])
def test_what_is_published_differs_from_exact_arithmetic_by_less(n, features, batch):
    run = unbiased(n, features, 4, 0.2, 3, batch)
    forget = list(range(0, n, 4))
    w, v, a = exact_paths(run, forget)
    retrained = precise(ul.retrain(run, forget))
    unlearned = precise(ul.forget(run, ul.recollect(run), forget))
    premises = ul.Premises.of(run, radius=float(run.samples.inputs.norm(dim=1).max()))
    steps = premises.steps(len(forget))
    found = ul.certify(premises, deletions=len(forget), epsilon=1.0, delta=1e-5)
    allowed = with_roundoff(steps, premises, len(forget)) - found.exact
    assert allowed == pytest.approx(found.sensitivity - found.exact)
    off = length(unlearned - (w + a)) + length(retrained - v)
    assert 0 < off < allowed
    grid = math.sqrt(premises.dimension) * (len(forget) + 2) * 2.0**-41
    assert allowed > grid
    steps_off = length(precise(run.weights) - w) + length(retrained - v)
    assert 0 < steps_off < allowed - grid


def test_one_step_leaves_nothing_but_rounding():
    """There HF-OCU is exact, and the bound of exact arithmetic is 0: so would the noise be."""
    run = unbiased(12, 3, 3, 0.7, 1, 12)
    premises = ul.Premises.of(run, radius=float(run.samples.inputs.norm(dim=1).max()))
    found = ul.certify(premises, deletions=3, epsilon=1.0, delta=1e-5)
    assert found.exact == 0
    vectors, worst = ul.recollect(run), 0.0
    for first in range(9):
        members = [first, first + 1, first + 2]
        worst = max(worst, ul.distance(ul.forget(run, vectors, members), ul.retrain(run, members)))
    assert 0 < worst <= found.sensitivity < 1e-9
    assert found.sigma > 0


def test_it_stays_small_beside_the_bound():
    """At the size of MNIST: otherwise it would decide the noise."""
    schedule = ul.Schedule(1.0, batch_size=10_000, epochs=40)
    premises = ul.Premises(schedule, 10_000, 784, 10, 1.0, 0.1, 1.0)
    for deletions in (1, 50):
        found = ul.certify(premises, deletions=deletions, epsilon=1.0, delta=1e-5)
        assert 1 < found.sensitivity / found.exact < 1.01
