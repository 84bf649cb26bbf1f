"""Scenes that must stay as they are while the others of their GPU go on."""

from __future__ import annotations

from typing import Any, cast

PICTURES = frozenset({"_init_raw_obs", "_init_raw_state", "_last_obs"})
"""What an environment remembers only to describe its observations."""


class Held:
    """All that the scenes `rows`, a tensor of numbers, are and remember.

    PhysX steps all scenes of a GPU at once, a reset of some lets all arms begin anew from where
    they are, and a task counts for all scenes what it counts, such as how long a grasp holds.
    """

    def __init__(self, env: Any, rows: Any) -> None:  # noqa: ANN401 - it has no types
        self._env = env
        self._rows = rows
        self._bodies = self._picked(env.get_state_dict())
        self._controls = self._picked(env.agent.get_controller_state())
        self._notes = self._picked(self._remembered())

    def put_back(self) -> None:
        """Set the scenes as they were."""
        self._env.set_state_dict(self._bodies, self._rows)
        controls = self._env.agent.get_controller_state()
        self._put(controls, self._controls)
        self._env.agent.set_controller_state(controls)
        self._put(self._remembered(), self._notes)

    def _remembered(self) -> dict[str, Any]:
        whole = cast("dict[str, Any]", vars(self._env))
        return {name: one for name, one in whole.items() if name not in PICTURES}

    def _picked(self, tree: dict[str, Any]) -> dict[str, Any]:
        """Return copies of these scenes' rows of what has a row for each scene."""
        found: dict[str, Any] = {}
        for name, one in tree.items():
            if isinstance(one, dict):
                found[name] = self._picked(cast("dict[str, Any]", one))
            elif hasattr(one, "clone") and one.ndim and len(one) == self._env.num_envs:
                found[name] = one[self._rows].clone()
        return found

    def _put(self, tree: dict[str, Any], kept: dict[str, Any]) -> None:
        for name, one in kept.items():
            if isinstance(one, dict):
                self._put(tree[name], cast("dict[str, Any]", one))
            else:
                tree[name][self._rows] = one
