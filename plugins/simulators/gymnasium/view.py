"""What is shown of an environment: cameras, proprioception and what only training sees."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import getitem
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from gymnasium import spaces
from PIL import Image

from rlvla.core.types import Observation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import gymnasium
    from numpy.typing import NDArray

    from rlvla.core.types import Array
    from rlvla.plugins.simulators.gymnasium import Gymnasium

    Env = gymnasium.Env[Any, Any]

FRONT = "front"
"""The camera of what the environment draws, and of an observation that is one image."""
WHOLE = "observation"
"""The entry of an observation that is one array of numbers."""
NOTHING = np.zeros(0, np.float32)


@dataclass(frozen=True)
class Entry:
    """A part of what is observed that has no parts itself."""

    keys: tuple[str | int, ...]
    space: spaces.Space[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of an array of it."""
        return self.space.shape or ()

    @property
    def is_image(self) -> bool:
        """Whether it has the form of an image."""
        return self.space.dtype == np.uint8 and len(self.shape) == 3 and self.shape[2] == 3

    @property
    def name(self) -> str:
        """The keys on the way to it."""
        whole = FRONT if self.is_image else WHOLE
        return ".".join(map(str, self.keys)) or whole

    def of(self, observed: object) -> Any:  # noqa: ANN401 - whatever the space holds
        """Return its value."""
        return reduce(getitem, self.keys, observed)  # type: ignore[arg-type]  # Dicts and Tuples

    def numbers(self, observed: object) -> NDArray[np.float32]:
        """Return its value as a vector, choices one-hot."""
        value = self.of(observed)
        if not isinstance(self.space, spaces.Box):  # for them `flatten` is slow
            value = spaces.flatten(self.space, value)
        return np.asarray(value, np.float32).reshape(-1)


class View:
    """Makes an `Observation` of what an environment observes, and draws."""

    def __init__(self, options: Gymnasium, env: Env) -> None:
        self._options = options
        entries = [*_entries(env.observation_space)]
        for entry in entries:
            _check(entry, options.env)
        self._images = {one.name: one for one in entries if one.is_image}
        numbers = {one.name: one for one in entries if not one.is_image}
        self._check_options(numbers)
        self._privileged = [numbers.pop(name) for name in options.privileged]
        self._proprio = [*numbers.values()]

    @property
    def cameras(self) -> dict[str, tuple[int, int]]:
        """Heights and widths of the images by name."""
        sizes = {name: one.shape[:2] for name, one in self._images.items()}
        if self._options.pixels:
            sizes[FRONT] = tuple(self._options.pixels)
        return {name: (height, width) for name, (height, width) in sizes.items()}

    @property
    def proprio(self) -> int:
        """Numbers of the proprioception."""
        return sum(spaces.flatdim(one.space) for one in self._proprio)

    @property
    def privileged(self) -> int:
        """Numbers that only training sees."""
        return sum(spaces.flatdim(one.space) for one in self._privileged)

    def of(self, env: Env, observed: object) -> Observation:
        """Return what is shown after `observed`; draws the environment if options say so."""
        images = {name: np.asarray(one.of(observed)) for name, one in self._images.items()}
        if self._options.pixels:
            images[FRONT] = _drawn(env, self._options.pixels)
        proprio, privileged = _flat(self._proprio, observed), _flat(self._privileged, observed)
        return Observation(images, proprio, self._options.told, privileged)

    def _check_options(self, numbers: dict[str, Entry]) -> None:
        env = self._options.env
        if self._options.pixels and FRONT in self._images:
            raise ValueError(f"pixels: env {env!r} observes a camera {FRONT!r} itself")
        for name in self._options.privileged:
            if name not in numbers:
                raise ValueError(
                    f"privileged: env {env!r} observes no numbers {name!r}, it observes "
                    f"{', '.join(numbers) or 'none'}"
                )


def _entries(space: spaces.Space[Any], keys: tuple[str | int, ...] = ()) -> Iterator[Entry]:
    if not isinstance(space, spaces.Dict | spaces.Tuple):
        yield Entry(keys, space)
        return
    parts = cast("Any", space.spaces)
    for key, part in parts.items() if isinstance(space, spaces.Dict) else enumerate(parts):
        yield from _entries(part, (*keys, key))


def _check(entry: Entry, env: str) -> None:
    kinds = spaces.Box | spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary
    if not isinstance(entry.space, kinds):
        raise ValueError(
            f"env {env!r} must observe images and numbers, {entry.name!r} is {entry.space}; "
            "a wrapper may leave it out, as FilterObservation"
        )
    if entry.space.dtype == np.uint8 and len(entry.shape) > 1 and not entry.is_image:
        raise ValueError(
            f"env {env!r} must observe images as uint8 [height, width, 3], {entry.name!r} is "
            f"{list(entry.shape)}; a wrapper may turn it into one, or flatten it to numbers"
        )


def _flat(entries: Sequence[Entry], observed: object) -> NDArray[np.float32]:
    numbers = [one.numbers(observed) for one in entries]
    if len(numbers) > 1:
        return np.concatenate(numbers)
    return numbers[0] if numbers else NOTHING


def _drawn(env: Env, size: Sequence[int]) -> NDArray[np.uint8]:
    try:
        frame = cast("Array | None", env.render())
    except Exception as error:  # each library that draws has errors of its own
        raise RuntimeError(
            f"pixels: the environment cannot draw: {error!r}; if that is for want of OpenGL, "
            "`render: auto` finds one"
        ) from error
    if frame is None or frame.dtype != np.uint8 or frame.shape[2:] != (3,):
        raise RuntimeError(f"pixels: the environment must draw uint8 [H, W, 3], it drew {frame}")
    height, width = size
    if frame.shape[:2] == (height, width):
        return frame
    return np.asarray(Image.fromarray(frame).resize((width, height), Image.Resampling.BOX))
