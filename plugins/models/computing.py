"""What `Compute` says, done: precision, recomputation and the memory that weights are kept in."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from functools import cache, partial, wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.utils import checkpoint

from rlvla.core.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from rlvla.plugins.models.compute import Compute

P = ParamSpec("P")
R = TypeVar("R")

REDUCED = torch.bfloat16
LARGE = (nn.Linear, nn.Conv2d, nn.Embedding)
"""Modules that are computed in fewer bits whatever their weights are kept in."""
BACKEND = "inductor"
"""What torch compiles with."""
SHAPES = 64
"""Compiled forms of one layer, each for its own sizes; more are an error: `padding` is missing."""
_TAPE: ContextVar[Tape | None] = ContextVar("tape", default=None)
_RECOMPUTES = ContextVar("recomputes", default=False)
_COMPILES = ContextVar("compiles", default=False)


class Computed(Protocol):
    """Who has options of computing, and is somewhere."""

    @property
    def compute(self) -> Compute:
        """The options."""
        ...

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        ...


class Tape(Protocol):
    """Who watches layers at work."""

    def watch(self, layer: Callable[[], R], inputs: tuple[object, ...]) -> R:
        """Return what a layer makes of its inputs."""
        ...


@contextmanager
def watched(tape: Tape) -> Generator[None]:
    """Have all layers watched."""
    token = _TAPE.set(tape)
    try:
        yield
    finally:
        _TAPE.reset(token)


def reduces(options: Compute, device: torch.device) -> bool:
    """Whether products on this device are bfloat16."""
    if options.precision == "auto":
        return device.type == "cuda"
    return options.precision == "bfloat16"


Self = TypeVar("Self", bound=Computed)


def computed(
    method: Callable[Concatenate[Self, P], R],
) -> Callable[Concatenate[Self, P], R]:
    """Have a method of a policy compute as its options say."""

    @wraps(method)
    def within(self: Self, *args: P.args, **options: P.kwargs) -> R:
        with computing(self.compute, self.device):
            return method(self, *args, **options)

    return cast("Callable[Concatenate[Self, P], R]", within)


@contextmanager
def computing(options: Compute, device: torch.device) -> Generator[None]:
    """Compute as the options say."""
    recomputes, compiles = _RECOMPUTES.set(options.checkpointing), _COMPILES.set(options.compile)
    try:
        with torch.autocast(device.type, REDUCED) if reduces(options, device) else nullcontext():
            yield
    finally:
        _RECOMPUTES.reset(recomputes)
        _COMPILES.reset(compiles)


def precise(device: torch.device) -> torch.autocast | nullcontext[None]:
    """Compute in float32, whatever is around."""
    return torch.autocast(device.type, enabled=False) if _is_reducing(device) else nullcontext()


def reduced(x: Tensor) -> Tensor:
    """Return what layers hand on in the precision of their products."""
    return x.to(REDUCED) if _is_reducing(x.device) else x


def _is_reducing(device: torch.device) -> bool:
    kind = device.type
    return torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)


def through(layer: Callable[P, R], *args: P.args, **options: P.kwargs) -> R:
    """Return what a layer makes of its inputs: compiled, or keeping no more than these."""
    tape = _TAPE.get()
    if tape is not None:
        return tape.watch(partial(layer, *args, **options), args)
    if torch.is_grad_enabled():
        called = partial(_kept, layer) if _RECOMPUTES.get() else layer
    else:
        called = _compiled(layer) if _COMPILES.get() else layer
    return called(*args, **options)


def _kept(layer: Callable[..., R], *args: object, **options: object) -> R:
    call = cast("Any", checkpoint).checkpoint  # which torch leaves untyped
    return cast("R", call(layer, *args, use_reentrant=False, preserve_rng_state=False, **options))


def _compiled(layer: Callable[..., R]) -> Callable[..., R]:
    """Return a layer compiled; modules of one class are compiled together."""
    if isinstance(layer, nn.Module):
        forward: Callable[..., R] = type(layer).forward
        return cast("Callable[..., R]", partial(compiled(forward), layer))
    return compiled(layer)


@cache
def compiled(function: Callable[..., R]) -> Callable[..., R]:
    """Return a function compiled for each size of its inputs."""
    # It takes a second to import, which who compiles nothing need not wait for.
    from torch._dynamo import config, exc

    done: Callable[..., R] = torch.compile(function, dynamic=False, backend=BACKEND)
    limits = {"recompile_limit": SHAPES, "fail_on_recompile_limit_hit": True}

    @wraps(function)
    def call(*args: object, **options: object) -> R:
        try:
            with cast("Any", config).patch(limits):
                return done(*args, **options)
        except exc.FailOnRecompileLimitHit as error:
            raise TrainingError(
                f"model.compute.compile: batches came in so many sizes that a layer would be "
                f"compiled more than {SHAPES} times; give schedulers.batching a padding"
            ) from error

    return call


def place(
    network: nn.Module,
    device: torch.device,
    options: Compute,
    *,
    trains: bool,
    precise: Sequence[str],
) -> None:
    """Move a network, its weights in as few bits as their use needs.

    Modules whose names begin like one of `precise` keep theirs. If it `trains`, so do those that
    are trained: they collect steps that are too small for bfloat16.
    """
    if reduces(options, device):
        for weight in _large(network, tuple(precise)):
            if not (trains and weight.requires_grad):
                weight.data = weight.data.to(REDUCED)
    if any(one.device != device for one in network.parameters()):
        network.to(device)


def _large(network: nn.Module, precise: tuple[str, ...]) -> Iterator[nn.Parameter]:
    # torch leaves a default untyped here, which strict checkers refuse.
    modules = cast("Iterator[tuple[str, nn.Module]]", cast("Any", network).named_modules())
    for name, module in modules:
        if isinstance(module, LARGE) and not name.startswith(precise):
            yield from module.parameters(recurse=False)


def freeze(network: nn.Module, modules: Sequence[str]) -> None:
    """Keep these modules as they are."""
    for name in modules:
        network.get_submodule(name).requires_grad_(requires_grad=False)
