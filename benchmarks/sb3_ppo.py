"""PPO of stable-baselines3 with its defaults, at 16 environments x 128 steps.

    python benchmarks/sb3_ppo.py --vector dummy --decisions 81920

Prints a JSON line per update: the decisions so far and the seconds since the start.
"""

from __future__ import annotations

import argparse
import json
import time

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

VECTORS = {"dummy": DummyVecEnv, "subproc": SubprocVecEnv}


class Clock(BaseCallback):
    """Says when each rollout begins, which is when the update before it is over."""

    def __init__(self) -> None:
        super().__init__()
        self.began = time.perf_counter()

    def _on_rollout_start(self) -> None:
        if self.num_timesteps:
            print(json.dumps([self.num_timesteps, time.perf_counter() - self.began]), flush=True)

    def _on_step(self) -> bool:
        return True


def main() -> None:
    """Train and say how far it is."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--env", default="HalfCheetah-v5")
    parser.add_argument("--decisions", type=int, default=81920)
    parser.add_argument("--vector", choices=VECTORS, default="dummy")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    envs = make_vec_env(arguments.env, n_envs=16, seed=0, vec_env_cls=VECTORS[arguments.vector])
    model = PPO("MlpPolicy", envs, n_steps=128, device="cpu")
    model.learn(arguments.decisions + 1, callback=Clock())  # the last update is seen, too
    envs.close()


if __name__ == "__main__":
    main()
