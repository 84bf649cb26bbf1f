from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
import torch
from torch import Tensor, nn

from rlvla.core.descent import BETAS, Descent

if TYPE_CHECKING:
    from collections.abc import Callable

    from rlvla.core.interfaces import Algorithm

    Groups = Callable[[nn.Module], list[dict[str, object]]]

MAX_NORM = 0.5


def _network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1))


def _groups(module: nn.Module) -> list[dict[str, object]]:
    first, last = module.get_submodule("0"), module.get_submodule("2")
    return [
        {"params": [*first.parameters()], "lr": 1e-2, "weight_decay": 0.1},
        {"params": [*last.parameters()], "lr": 3e-2, "weight_decay": 0.0},
    ]


def _one_group(module: nn.Module) -> list[dict[str, object]]:
    return [{"params": [*module.parameters()], "lr": 1e-2}]


def _halved(update: int) -> float:
    return 0.5**update


def _descent(module: nn.Module, groups: Groups = _groups) -> Descent:
    algorithm = SimpleNamespace(parameter_groups=groups, lr_scale=_halved, max_grad_norm=MAX_NORM)
    return Descent(cast("Algorithm", algorithm), module)


def _backward(module: nn.Module, seed: int, scale: float) -> None:
    seen = torch.randn(8, 3, generator=torch.Generator().manual_seed(seed))
    middle = module.get_submodule("0")(seen).tanh()
    last = module.get_submodule("2")
    out = last(middle.to(next(last.parameters()).dtype))
    torch.autograd.backward(scale * out.square().sum())


def _train(module: nn.Module, descent: Descent, updates: range) -> list[float]:
    norms: list[float] = []
    for update in updates:
        _backward(module, update, scale=10.0**-update)
        norms.append(descent.norm().item())
        descent.step(update, norm=norms[-1])
    return norms


def _parameters(module: nn.Module) -> list[Tensor]:
    return [one.detach().clone() for one in module.parameters()]


def test_steps_are_those_of_adamw_and_clipping_on_each_parameter_by_itself() -> None:
    ours, theirs = _network(), _network()
    norms = _train(ours, _descent(ours), range(4))
    optimizer = torch.optim.AdamW(_groups(theirs), betas=BETAS)
    rates = [group["lr"] for group in optimizer.param_groups]
    for update in range(4):
        optimizer.zero_grad()
        _backward(theirs, update, scale=10.0**-update)
        norm = nn.utils.clip_grad_norm_(theirs.parameters(), MAX_NORM)
        assert norms[update] == pytest.approx(norm.item(), rel=1e-5)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * 0.5**update
        optimizer.step()
    assert norms[0] > MAX_NORM > norms[-1]
    torch.testing.assert_close(_parameters(ours), _parameters(theirs))


def test_it_goes_on_from_its_tensors_bit_for_bit() -> None:
    module = _network()
    descent = _descent(module)
    _train(module, descent, range(2))
    resumed = _network()
    other = _descent(resumed)
    _train(resumed, other, range(1))
    resumed.load_state_dict(module.state_dict())
    tensors = descent.tensors()
    assert tensors["0.weight/exp_avg"].shape == (5, 3)
    assert tensors["2.bias/step"].item() == 2
    other.restore(tensors)
    for one, descending in ((module, descent), (resumed, other)):
        _train(one, descending, range(2, 4))
    assert all(map(torch.equal, _parameters(module), _parameters(resumed)))


def test_parameters_of_different_types_stay_what_they_are() -> None:
    module = _network()
    module.get_submodule("2").to(torch.float64)
    before = _parameters(module)
    _train(module, _descent(module, _one_group), range(1))
    after = _parameters(module)
    assert [one.dtype for one in after] == [one.dtype for one in before]
    assert all(not torch.equal(*pair) for pair in zip(before, after, strict=True))


def test_a_forgotten_gradient_is_zero() -> None:
    module = _network()
    descent = _descent(module)
    _backward(module, 0, scale=1.0)
    assert descent.norm().item() > 0
    descent.forget()
    assert descent.norm().item() == 0
