"""The objective against plain PyTorch modules."""

import pytest
import torch
from torch import nn

import unlearning as ul
from tests.cases import cases, random_data

CASES = cases()


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_loss_and_gradients_are_those_of_the_module(case):
    objective, batch = ul.Objective(case.model, l2=0.3), case.data.train
    w = objective.initial_weights * 1.5
    module = objective.module(w).requires_grad_(True)
    loss = nn.CrossEntropyLoss()(module(batch.inputs), batch.labels)
    expected = torch.cat([g.flatten() for g in torch.autograd.grad(loss, module.parameters())])
    gradient, value = objective.gradient_and_loss(w, batch.inputs, batch.labels)
    torch.testing.assert_close(value, loss.detach())
    torch.testing.assert_close(gradient, expected)
    each = objective.sample_gradients(w, batch.inputs, batch.labels)
    torch.testing.assert_close(each.mean(0), expected)
    torch.testing.assert_close(objective.losses(w, batch).mean(), loss.detach())


def test_flat_vector_round_trip_and_frozen_parameters():
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 4), nn.Linear(4, 3)).double()
    model[1].bias.requires_grad_(False)
    objective = ul.Objective(model)
    assert objective.dimension == 16 * 4 + 4 * 3 + 3
    w = torch.arange(objective.dimension, dtype=torch.float64)
    module = objective.module(w)
    assert torch.equal(module[1].weight.flatten(), w[:64])
    assert torch.equal(module[1].bias, model[1].bias)


def test_the_model_passed_in_is_never_changed():
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3), nn.Dropout(0.9)).double().train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    objective = ul.Objective(model)
    ul.train(objective, random_data().train, ul.Schedule(0.1, batch_size=5, epochs=2))
    assert model.training
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert all(p.requires_grad for p in model.parameters())


def test_dropout_and_batch_statistics_are_frozen():
    norm = nn.Sequential(
        nn.Flatten(), nn.BatchNorm1d(16), nn.Dropout(0.5), nn.Linear(16, 3)
    ).double()
    objective, x = ul.Objective(norm), random_data().train.inputs
    w = objective.initial_weights
    first = objective.outputs(w, x)
    assert torch.equal(first, objective.outputs(w, x))
    torch.testing.assert_close(first[:2], objective.outputs(w, x[:2]))  # rows do not interact


def test_squared_loss():
    inputs = random_data(shape=(3,)).train.inputs
    samples = ul.Samples(inputs, inputs.sum(1))
    objective = ul.Objective(nn.Linear(3, 1).double(), loss="squared")
    w = torch.tensor([1.0, 1.0, 1.0, 2.0]).double()  # off by the constant 2
    torch.testing.assert_close(objective.losses(w, samples), torch.full((13,), 2.0).double())


def test_accuracy():
    data = random_data()
    objective = ul.Objective(ul.models.logistic(data))
    w = objective.initial_weights
    predicted = objective.module(w)(data.test.inputs).argmax(1)
    assert objective.accuracy(w, data.test) == float(
        (predicted == data.test.labels).double().mean()
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda m: ul.Objective(m, l2=-0.1),
            "l2: expected a finite number of at least 0, got -0.1",
        ),
        (lambda m: ul.Objective(m, l2=float("nan")), "l2: expected a finite number"),
        (lambda m: ul.Objective(m, l2="1"), "l2: expected a finite number .*got '1'"),
        (lambda m: ul.Objective(m, loss="hinge"), "loss: expected one of cross_entropy, squared"),
        (lambda m: ul.Objective("logistic"), "model: expected a torch.nn.Module, got str"),
        (lambda m: ul.Objective(nn.ReLU()), "model: expected trainable parameters"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make(ul.models.logistic(random_data()))


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (
            random_data().train.to(dtype=torch.float32),
            "inputs of the model's torch.float64 .*float32",
        ),
        (random_data(shape=(1, 5, 5)).train, "samples: expected inputs that fit the model"),
        (random_data(classes=4).train, "labels below the model's number of classes, 3.* label 3"),
        (
            ul.Samples(torch.zeros(4, 16).double(), torch.zeros(4)),
            "samples: expected class numbers",
        ),
        ([1, 2], "samples: expected an unlearning.Samples, got list"),
    ],
)
def test_samples_that_do_not_fit_are_refused_before_training(samples, message):
    objective = ul.Objective(ul.models.logistic(random_data()))
    with pytest.raises(ValueError, match=message):
        ul.train(objective, samples, ul.Schedule(0.1, batch_size=2))


def test_weights_of_another_shape_are_refused():
    objective = ul.Objective(ul.models.logistic(random_data()))
    with pytest.raises(ValueError, match=r"w: expected shape \[51\], got \[50\]"):
        objective.accuracy(torch.zeros(50).double(), random_data().test)
