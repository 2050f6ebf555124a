"""ResNet-18: size, head, start, frozen statistics, and that products and gradients go through."""

import pytest
import torch
from torch import nn
from torchvision.models import resnet18

import unlearning as ul
from tests.cases import random_data


def images(n=6, side=16, classes=10, shape=None):
    return random_data(n=n, shape=shape or (3, side, side), classes=classes)


def labelled(classes):
    """Enough rows for every class to have a label."""
    return random_data(n=classes, shape=(3, 8, 8), classes=classes)


def size(model):
    return sum(p.numel() for p in model.parameters())


TRUNK = 11_176_512


@pytest.mark.parametrize(
    ("classes", "hidden", "head"),
    [(10, None, 5_130), (2, None, 1_026), (29, 256, 512 * 256 + 256 + 256 * 29 + 29)],
)
def test_dimensions_of_cifar_celeba_and_lfw(classes, hidden, head):
    assert size(ul.models.resnet18(labelled(classes), hidden=hidden)) == TRUNK + head


def test_a_seed_gives_torchvisions_start_then_the_head():
    model = ul.models.build("resnet18", labelled(10), seed=4)
    with torch.random.fork_rng():
        torch.manual_seed(4)
        plain = resnet18(weights=None)
        head = nn.Linear(512, 10)
    assert torch.equal(model.layer4[1].conv2.weight, plain.layer4[1].conv2.weight.double())
    assert torch.equal(model.fc.weight, head.weight.double())


def test_given_weights_are_all_but_the_head(tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(9)
        given = resnet18(weights=None)
    given.bn1.running_mean.fill_(0.25)
    torch.save(given.state_dict(), tmp_path / "weights.pth")
    data = labelled(2)
    model = ul.models.resnet18(data, weights=tmp_path / "weights.pth").float()
    given.fc, x = model.fc, data.train.inputs.float()
    torch.testing.assert_close(model(x), given.eval()(x))


def test_statistics_are_those_of_the_rows_and_stay():
    data = images(n=10, side=8)
    start = ul.models.resnet18(data, seed=1)
    model = ul.models.resnet18(data, seed=1, statistics_from=10)
    assert not model.training
    assert torch.equal(model.conv1.weight, start.conv1.weight)
    first = model.conv1(data.train.inputs)
    torch.testing.assert_close(model.bn1.running_mean, first.mean((0, 2, 3)))
    torch.testing.assert_close(model.bn1.running_var, first.var((0, 2, 3)))
    objective = ul.Objective(model)
    run = ul.train(objective, data.train, ul.Schedule(0.01, batch_size=10, epochs=1))
    after = objective.module(run.weights)
    assert torch.equal(after.bn1.running_mean, model.bn1.running_mean)
    assert not torch.equal(after.bn1.weight, model.bn1.weight)  # scales are learned


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_statistics_do_not_depend_on_the_number_of_threads(dtype):
    data = images(n=20, side=32)
    data = ul.Data("random", data.train.to(dtype=dtype), data.test.to(dtype=dtype))
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            model = ul.models.resnet18(data, seed=1, statistics_from=20)
            found.append([value for name, value in model.named_buffers() if "running" in name])
    finally:
        torch.set_num_threads(before)
    assert found[0][0].dtype == dtype
    assert all(torch.equal(one, two) for one, two in zip(*found, strict=True))


def test_sample_gradients_and_hessian_products_go_through():
    data = images(n=2, side=8)
    objective = ul.Objective(ul.models.resnet18(data, seed=2))
    w, x, y = objective.initial_weights, data.train.inputs, data.train.labels
    gradient = objective.gradient(w, x, y)
    torch.testing.assert_close(objective.sample_gradients(w, x, y).mean(0), gradient)
    v = torch.randn(len(w), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    v /= v.norm()
    product = ul.hessian_vector_products(objective, w, x, y, v[None])[0]
    ahead, behind = (objective.gradient(w + h * v, x, y) for h in (1e-6, -1e-6))
    difference = (ahead - behind) / 2e-6
    assert float((product - difference).norm()) < 1e-6 * float(product.norm())


@pytest.mark.parametrize(
    ("content", "given"),
    [
        (None, "none at"),
        ({"conv1.weight": torch.zeros(64, 3, 7, 7)}, "of its tensors missing, 0 others"),
        ({"conv1.weight": torch.zeros(1)}, "weights.pth: RuntimeError"),
        ("text", "weights.pth: IndexError"),
        ([1, 2], "weights.pth: AttributeError"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, content, given):
    path = tmp_path / "weights.pth"
    if isinstance(content, str):
        path.write_text(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(ValueError, match=f"weights: expected a file of ImageNet .*{given}"):
        ul.models.resnet18(labelled(2), weights=path)


def test_bad_arguments_are_named(tmp_path):
    data = labelled(2)
    with pytest.raises(ValueError, match="data: expected images with 3 channels, got 1"):
        ul.models.resnet18(images(shape=(1, 8, 8)))
    with pytest.raises(ValueError, match="data: expected images"):
        ul.models.resnet18(images(shape=(5,)))
    with pytest.raises(ValueError, match="hidden: expected an integer of at least 1"):
        ul.models.resnet18(data, hidden=0)
    with pytest.raises(ValueError, match="statistics_from: expected an integer from 0 to 2"):
        ul.models.resnet18(data, statistics_from=3)
    with pytest.raises(ValueError, match="statistics_from: expected 0 or at least 2 rows, .*got 1"):
        ul.models.resnet18(data, statistics_from=1)
    with pytest.raises(ValueError, match="seed: expected an integer from 0 to .*, got -1"):
        ul.models.resnet18(data, seed=-1)
    with pytest.raises(ValueError, match="seed: .* to 18446744073709551615, got 184467.*616"):
        ul.models.resnet18(data, seed=2**64)
    with pytest.raises(ValueError, match="statistics_from: expected 0 with given weights"):
        ul.models.resnet18(data, weights=tmp_path, statistics_from=1)
