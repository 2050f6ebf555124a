"""Generated data of the shape of HAR."""

import torch

import unlearning as ul


def test_it_has_the_shape_of_har_and_is_the_same_every_time():
    data = ul.load("generated_har", seed=42)
    assert data.train.inputs.shape == (7352, 561)
    assert data.test.inputs.shape == (2947, 561)
    assert sorted(set(data.train.labels.tolist())) == [1, 2, 3, 4, 5, 6]
    again = ul.load("generated_har", seed=42, n_train=50)
    assert torch.equal(again.train.inputs, data.train.inputs[:50])
    assert len(again.test) == 20
    model = ul.models.build("mlp_released", data)
    assert sum(p.numel() for p in model.parameters()) == 36618
