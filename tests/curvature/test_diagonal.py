"""Diagonals of curvature against dense matrices that torch.func forms, in float64."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import hessian, jacrev, vmap
from torch.nn import functional

import unlearning as ul
from tests.curvature.oracles import Point, batch, convolutional_networks, dense_networks
from unlearning.curvature.counted import counted_products
from unlearning.curvature.diagonal import METHODS, diagonal
from unlearning.curvature.diagonals.compare import relative_error, top_overlap

few = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
EXACT = [("hessian", "auto"), ("hessian", "products"), ("ggn", "auto"), ("ggn", "gradients")]


def samples_of(point):
    return ul.Samples(point.inputs, point.labels)


def compute(point, method, engine="auto", **options):
    samples = samples_of(point)
    return diagonal(point.objective, samples, point.w, method=method, engine=engine, **options)


def network(*layers, loss="cross_entropy", n=5, features=(4,)):
    inputs, labels = batch(n, features, loss)
    return Point(nn.Sequential(*layers), inputs, labels, loss)


def gauss_newton(point):
    """J^T L J, from the Jacobian of all outputs and the loss's own Hessian."""
    objective, b = point.objective, len(point.inputs)

    def loss(outputs, label):
        if objective.loss_name == "squared":
            return (outputs[0] - label) ** 2 / 2
        return -functional.log_softmax(outputs, 0)[label]

    def outputs(w):
        return objective.outputs(w, point.inputs).reshape(b, -1)

    if objective.loss_name == "squared":
        middle = vmap(hessian(loss))(outputs(point.w), point.labels)
    else:  # its Hessian does not depend on the label
        middle = vmap(lambda z: hessian(lambda z: loss(z, 0))(z))(outputs(point.w))
    jacobian = jacrev(outputs)(point.w)
    return torch.einsum("bki,bkl,blj->ij", jacobian, middle, jacobian) / b


def assert_near(found, expected):
    scale = 1 + float(expected.abs().max())
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12 * scale)


def check_exact(point):
    expected = {"hessian": point.hessian().diagonal(), "ggn": gauss_newton(point).diagonal()}
    for method, engine in EXACT:
        assert_near(compute(point, method, engine).values, expected[method])


@few
@given(dense_networks())
def test_dense_networks_have_the_dense_diagonals(point):
    assert compute(point, "hessian").engine in ("closed_form", "backpack")
    check_exact(point)


@few
@given(convolutional_networks())
def test_convolutional_networks_have_the_dense_diagonals(point):
    named = any(isinstance(layer, nn.Conv2d) and isinstance(layer.padding, str)
                for layer in point.objective.architecture.modules())  # fmt: skip
    assert compute(point, "hessian").engine == ("products" if named else "backpack")
    check_exact(point)


@few
@given(st.one_of(dense_networks(), convolutional_networks()))
def test_squared_gradients_are_those_of_the_samples(point):
    expected = point.sample_gradients().square().mean(0)
    for engine in ("auto", "gradients"):
        assert_near(compute(point, "empirical_fisher", engine).values, expected)


def smooth():
    return network(nn.Linear(4, 5), nn.Softplus(), nn.Linear(5, 3))


def rectified():
    layers = (nn.Conv2d(1, 2, 3), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 4))
    return network(*layers, nn.LeakyReLU(), nn.Linear(4, 3), features=(1, 6, 6))


def test_closed_form_serves_softmax_regression_alone():
    point = network(nn.Flatten(), nn.Linear(4, 3, bias=False), features=(1, 2, 2))
    found = compute(point, "hessian")
    assert (found.engine, found.products, found.passes, found.fallback) == ("closed_form", 0, 0, "")
    assert_near(found.values, point.hessian().diagonal())
    assert_near(compute(point, "hessian", "backpack").values, found.values)
    with pytest.raises(ValueError, match="engine: expected one that fits the model for 'hessian'"):
        compute(smooth(), "hessian", "closed_form")


def test_piecewise_linear_networks_have_equal_diagonals_and_smooth_ones_do_not():
    for point in (rectified(), network(nn.Linear(4, 3)), network(nn.Linear(4, 1), loss="squared")):
        assert_near(compute(point, "hessian").values, compute(point, "ggn").values)
    point = rectified()
    whole = (point.hessian() - gauss_newton(point)).abs()
    assert float(whole.diagonal().max()) < 1e-12 < 1e-3 < float(whole.max())
    point = smooth()
    both = compute(point, "hessian").values, compute(point, "ggn").values
    assert relative_error(*both) > 0.01
    assert_near(both[0][-18:], both[1][-18:])  # in the weights of its last layer it is linear


class Tied(nn.Module):
    """The same ReLU layer twice: quadratic in the weights on its diagonal."""

    def __init__(self):
        super().__init__()
        self.inner, self.last = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x):
        return self.last(torch.relu(self.inner(torch.relu(self.inner(x)))))


def test_a_weight_that_is_used_twice_breaks_the_equality():
    inputs, labels = batch(5, (4,))
    point = Point(Tied(), inputs, labels)
    point.w.abs_()  # so that most units are active
    found = compute(point, "hessian")
    assert_near(found.values, point.hessian().diagonal())
    assert relative_error(found.values, compute(point, "ggn").values) > 0.01


def hooked():
    layer = nn.Linear(4, 3)
    layer.register_forward_hook(lambda module, given, out: 2 * out)
    return layer


def shared():
    layer = nn.Linear(4, 4)
    return nn.Sequential(layer, nn.Tanh(), layer, nn.Tanh(), nn.Linear(4, 3))


UNFIT = {
    "a layer GELU": lambda: nn.Sequential(nn.Linear(4, 3), nn.GELU(), nn.Linear(3, 3)),
    "a layer Tied": Tied,
    "a hook on a Linear": hooked,
    "parameter 2.weight, which is frozen or shared": shared,
}


@pytest.mark.parametrize("reason", UNFIT)
def test_what_backpack_cannot_treat_is_computed_all_the_same_and_says_so(reason):
    inputs, labels = batch(5, (4,))
    point = Point(UNFIT[reason](), inputs, labels)
    engines = {"hessian": "products", "ggn": "gradients", "empirical_fisher": "gradients"}
    for method, engine in engines.items():
        found = compute(point, method)
        assert (found.engine, found.fallback) == (engine, reason)
        with pytest.raises(ValueError, match=f"'backpack' for {reason}"):
            compute(point, method, "backpack")
    assert_near(compute(point, "hessian").values, point.hessian().diagonal())
    assert_near(compute(point, "ggn").values, gauss_newton(point).diagonal())


def test_layers_that_only_the_inputs_show_to_be_unfit_fall_back_too():
    point = network(nn.Linear(2, 3), nn.Tanh(), nn.Flatten(), nn.Linear(6, 3), features=(2, 2))
    found = compute(point, "hessian")
    assert found.engine == "products"
    assert "a Linear layer on inputs of shape" in found.fallback
    assert_near(found.values, point.hessian().diagonal())


def test_one_activation_in_two_places_and_idle_layers_are_no_obstacle():
    tanh = nn.Tanh()
    layers = (nn.Linear(4, 4), tanh, nn.Dropout(0.5), nn.Linear(4, 4), tanh, nn.Identity())
    point = network(*layers, nn.Linear(4, 3))
    assert compute(point, "hessian").engine == "backpack"
    check_exact(point)


def test_layers_that_the_random_networks_lack():
    convolutions = nn.Conv2d(2, 4, 2, groups=2), nn.Sigmoid(), nn.Conv2d(4, 2, 2, bias=False)
    layers = (*convolutions, nn.LeakyReLU(0.2), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(2, 3))
    point = network(*layers, features=(2, 5, 4))
    assert compute(point, "hessian").engine == "backpack"
    check_exact(point)
    for pool in (
        nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False),
        nn.AvgPool2d((2, 3), 1, divisor_override=5),
        nn.MaxPool2d(3, 2, 1, ceil_mode=True),
    ):
        layers = nn.Conv2d(1, 2, 2), pool, nn.Tanh(), nn.Flatten(), nn.LazyLinear(3)
        model = nn.Sequential(*layers).double()
        inputs, labels = batch(4, (1, 5, 5))
        model(inputs)
        point = Point(model, inputs, labels)
        assert compute(point, "hessian").engine == "backpack"
        check_exact(point)
    circular = nn.Conv2d(1, 2, 3, padding=1, padding_mode="circular")
    point = network(circular, nn.Flatten(), nn.Linear(18, 3), features=(1, 3, 3))
    assert "padding_mode=circular" in compute(point, "hessian").fallback
    check_exact(point)
    inputs, labels = batch(5, (4,))
    point = Point(nn.Linear(4, 3), inputs, labels)  # no container around it
    assert_near(compute(point, "hessian", "backpack").values, point.hessian().diagonal())


def test_a_loss_of_its_own_has_a_hessian_and_no_distribution():
    class Half(ul.Objective):
        def mean_loss(self, w, inputs, labels):
            return super().mean_loss(w, inputs, labels) / 2

    point = smooth()
    whole = compute(point, "hessian").values
    point.objective = Half(point.objective.architecture.requires_grad_(True))
    found = compute(point, "hessian")
    assert (found.engine, found.fallback) == ("products", "an objective with a loss of its own")
    assert_near(found.values, whole / 2)
    assert_near(compute(point, "empirical_fisher").values,
                point.sample_gradients().square().mean(0))  # fmt: skip
    for method in ("ggn", "fisher"):
        with pytest.raises(ValueError, match="'gradients' for an objective with a loss of its own"):
            compute(point, method)


@pytest.mark.parametrize("loss", ["cross_entropy", "squared"])
def test_the_sampled_fisher_comes_to_the_gauss_newton_diagonal(loss):
    last = nn.Linear(5, 1 if loss == "squared" else 3)
    point = network(nn.Linear(4, 5), nn.ReLU(), last, loss=loss)
    expected = gauss_newton(point).diagonal()
    errors = []
    for probes in (9, 900):
        found = compute(point, "fisher", probes=probes)
        assert found.passes == probes
        errors.append(relative_error(found.values, expected))
    assert errors[1] < 0.1
    assert 0.03 < errors[1] / errors[0] < 0.3  # about a tenth


def test_drawn_labels_have_the_models_probabilities_and_do_not_depend_on_batches():
    point = network(nn.Linear(4, 3), n=7)
    # Of softmax regression (p - e_y)^2 x^2, averaged over draws of y that are made here again.
    noise = torch.rand(3, 7, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    outputs = point.objective.outputs(point.w, point.inputs)
    p = outputs.softmax(1)
    drawn = 2 - (noise[..., None] < p.cumsum(1)[:, :2]).sum(2)
    factors = (p - functional.one_hot(drawn, 3)).square().sum(0)
    expected = torch.cat([(factors.T @ point.inputs.square()).reshape(-1), factors.sum(0)]) / 21
    for options in ({}, {"batch": 2}, {"batch": 3, "engine": "gradients"}):
        found = compute(point, "fisher", probes=3, seed=5, **options)
        assert_near(found.values, expected)
    other = compute(point, "fisher", probes=3, seed=6)
    assert relative_error(other.values, expected) > 1e-3


@pytest.mark.parametrize("method", METHODS)
def test_batches_change_nothing(method):
    for point in (smooth(), rectified()):
        probes = {"probes": 4} if method in ("fisher", "hutchinson", "xdiag") else {}
        whole = compute(point, method, **probes).values
        for size in (1, 3):
            assert_near(compute(point, method, batch=size, **probes).values, whole)


def test_hutchinson_is_unbiased_within_its_standard_error():
    point = smooth()
    matrix, probes = point.hessian(), 2000
    variance = (matrix.square().sum(1) - matrix.diagonal().square()) / probes
    found = compute(point, "hutchinson", probes=probes)
    assert (found.engine, found.products) == ("products", probes)
    scores = (found.values - matrix.diagonal()) / variance.sqrt()
    assert 0.5 < float(scores.square().mean()) < 1.7
    assert float(scores.abs().max()) < 4
    assert float(scores.mean().abs()) < 0.6


def signs(probes, d, seed=0):
    """The random signs: one vector after the other from the seed."""
    generator = torch.Generator().manual_seed(seed)
    rows = [torch.randint(0, 2, (d,), generator=generator) for _ in range(probes)]
    return (2 * torch.stack(rows) - 1).double()


@pytest.mark.parametrize("probes", [1, 2, 7])
def test_random_methods_are_their_definitions(probes):
    point = smooth()
    matrix, v = point.hessian(), signs(probes, len(point.w))
    assert_near(compute(point, "hutchinson", probes=probes).values, (v * (v @ matrix)).mean(0))
    expected = torch.zeros_like(point.w)
    for i in range(probes):
        others = torch.cat([v[:i], v[i + 1 :]])
        q = torch.linalg.qr((others @ matrix).T)[0]
        left = matrix - q @ (q.T @ matrix)
        expected += (matrix - left).diagonal() + v[i] * (left @ v[i])
    found = compute(point, "xdiag", probes=probes)
    assert found.products == 2 * probes
    torch.testing.assert_close(found.values, expected / probes, rtol=1e-9, atol=1e-9)


def test_xdiag_is_exact_above_the_rank_and_nearer_than_hutchinson_below():
    point = network(nn.Linear(20, 3), n=3, features=(20,))  # two directions a sample: rank 6
    expected = point.hessian().diagonal()
    assert int(torch.linalg.matrix_rank(point.hessian())) == 6
    for probes in (7, 20):
        found = compute(point, "xdiag", probes=probes)
        torch.testing.assert_close(found.values, expected, rtol=1e-10, atol=1e-12)
    below = [
        [relative_error(compute(point, method, probes=probes, seed=seed).values, expected)
         for seed in range(20)]
        for method, probes in (("xdiag", 5), ("hutchinson", 10))  # ten products each
    ]  # fmt: skip
    assert sum(below[0]) < 0.5 * sum(below[1])


def test_no_curvature_at_all_is_zero():
    point = network(nn.Linear(4, 3, bias=False))
    point.inputs = torch.zeros_like(point.inputs)
    for method in METHODS:
        probes = {"probes": 8} if method == "xdiag" else {}
        assert torch.equal(compute(point, method, **probes).values, torch.zeros(12).double())


def test_the_cost_is_what_was_done():
    point = network(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    costs = {
        ("hessian", "backpack"): (0, 3 + 2 * 6),  # both signs of each curved unit
        ("hessian", "products"): (len(point.w), 0),
        ("ggn", "backpack"): (0, 3),
        ("ggn", "gradients"): (0, 3),
        ("fisher", "auto"): (0, 1),
        ("empirical_fisher", "auto"): (0, 1),
        ("hutchinson", "auto"): (32, 0),
        ("xdiag", "auto"): (32, 0),
    }
    for (method, engine), expected in costs.items():
        with counted_products() as tally:
            found = compute(point, method, engine, batch=2)
        assert (found.products, found.passes) == expected, (method, engine)
        assert tally.samples == 5 * found.products


def test_the_readers_module_and_the_global_generator_are_left_alone():
    layers = (nn.Conv2d(1, 2, 3), nn.AvgPool2d(2), nn.ReLU(inplace=True), nn.Flatten())
    model = nn.Sequential(*layers, nn.Linear(8, 3)).double()
    before = {name: sorted(vars(part)) for name, part in model.named_modules()}
    inputs, labels = batch(5, (1, 6, 6))
    point = Point(model, inputs, labels)
    state, w = torch.get_rng_state(), point.w.clone()
    for method in METHODS:
        compute(point, method)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(point.w, w)
    for module in (model, point.objective.architecture):
        assert {name: sorted(vars(part)) for name, part in module.named_modules()} == before
        hooks = [len(part._forward_hooks) + len(part._backward_hooks) for part in module.modules()]
        assert not any(hooks)
    assert model[2].inplace


@pytest.mark.parametrize("method", METHODS)
def test_single_precision_agrees_to_its_digits(method):
    point = smooth()
    expected = compute(point, method).values
    point.objective, point.w = point.objective.to(torch.float32), point.w.float()
    point.inputs = point.inputs.float()
    found = compute(point, method, dtype=torch.float32)
    assert found.values.dtype == torch.float32
    assert relative_error(found.values, expected) < (1e-2 if method == "xdiag" else 1e-4)
    assert compute(point, method).values.dtype == torch.float64


REFUSED = {
    "method: expected one of hessian, ggn, fisher": {"method": "newton"},
    "engine: expected one of auto, closed_form, backpack, products, got 'g": {
        "engine": "gradients"
    },
    "probes: expected none for 'hessian', which draws nothing, got 3": {"probes": 3},
    "probes: expected an integer of at least 1, got 0": {"method": "hutchinson", "probes": 0},
    r"probes: expected an integer from 1 to 43 \(d\), got 44": {"method": "xdiag", "probes": 44},
    "seed: expected an integer from 0": {"seed": -1},
    "batch: expected an integer of at least 1, got 0": {"batch": 0},
    "dtype: expected one of torch.float64, torch.float32": {"dtype": torch.float16},
}


@pytest.mark.parametrize("message", REFUSED)
def test_bad_values_are_refused_by_name(message):
    with pytest.raises(ValueError, match=message):
        compute(smooth(), **{"method": "hessian"} | REFUSED[message])


@pytest.mark.parametrize("method", METHODS)
def test_some_entries_are_those_of_the_whole(method):
    point, places = smooth(), [40, 3, 17]
    whole = compute(point, method)
    some = compute(point, method, indices=places)
    assert_near(some.values, whole.values[places])
    assert some.products == whole.products
    if method == "hessian":
        by_products = compute(point, method, "products", indices=torch.tensor(places))
        assert by_products.products == 3
        assert_near(by_products.values, whole.values[places])


WRONG_INDICES = {
    "got none": [],
    "torch.float32": [0.5],
    "torch.bool": [True, False],
    r"of shape \[1, 2\]": [[0, 1]],
    "got numbers from -1 to 0": [0, -1],
    "got numbers from 43 to 43": [43],
    "got weight 2 more than once": [2, 2],
    "a str of other things": "all",
}


@pytest.mark.parametrize("given", WRONG_INDICES)
def test_sets_of_weights_that_are_none_are_refused(given):
    wanted = "indices: expected distinct numbers of weights from 0 to 42, .*"
    with pytest.raises(ValueError, match=wanted + given):
        compute(smooth(), "hessian", indices=WRONG_INDICES[given])


def test_points_and_samples_that_do_not_fit_are_refused():
    point = smooth()
    with pytest.raises(ValueError, match=r"w: expected a tensor of shape \[43\], got \[42\]"):
        diagonal(point.objective, samples_of(point), point.w[1:])
    with pytest.raises(ValueError, match="w: expected finite numbers"):
        diagonal(point.objective, samples_of(point), point.w * torch.nan)
    with pytest.raises(ValueError, match="samples: expected inputs that fit the model"):
        diagonal(point.objective, ul.Samples(point.inputs[:, 1:], point.labels), point.w)


def test_measures_of_two_diagonals():
    exact, estimate = torch.tensor([3.0, 1.0, 4.0, 2.0]), torch.tensor([3.0, 1.0, 1.0, 2.0])
    assert relative_error(estimate, exact) == pytest.approx(3 / 30**0.5)
    overlaps = [top_overlap(estimate, exact, k) for k in (1, 2, 3, 4)]
    assert overlaps == [0.0, 0.5, pytest.approx(2 / 3), 1.0]
    assert top_overlap(torch.zeros(4), torch.tensor([2.0, 1.0, 0.0, 0.0]), 2) == 1.0  # ties
    with pytest.raises(ValueError, match=r"k: expected an integer from 1 to 4 \(d\), got 5"):
        top_overlap(estimate, exact, 5)
    with pytest.raises(ValueError, match=r"estimate: expected the shape of exact, \[4\], got \[3"):
        relative_error(estimate[:3], exact)
    with pytest.raises(ValueError, match="exact: expected a vector that is not zero, got zeros"):
        relative_error(estimate, 0 * exact)
