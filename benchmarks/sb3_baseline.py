"""PPO of stable-baselines3 with the hyper-parameters of a manifest, for benchmarks/baselines.py.

    python benchmarks/sb3_baseline.py benchmarks/baselines/cartpole.yaml --seed 0

Prints a JSON line per update, [decisions so far, mean return of the last 100 training episodes],
and at the end the returns of 50 deterministic episodes.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import yaml
from gymnasium.wrappers import TransformReward
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

EPISODES = 50


class Returns(BaseCallback):
    """Says how good the last episodes were when a rollout is over."""

    def _on_rollout_end(self) -> None:
        returns = [episode["r"] for episode in self.model.ep_info_buffer or ()]
        if returns:
            print(json.dumps([self.num_timesteps, float(sum(returns) / len(returns))]), flush=True)

    def _on_step(self) -> bool:
        return True


def options(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what PPO is made with, from the manifest of a run."""
    ppo, lanes = manifest["algorithm"], manifest["simulator"]["lanes"]
    rate, clip = ppo["lr"], ppo.get("clip_low", 0.2)
    return {
        "learning_rate": falling(rate) if "lr_decay" in ppo else rate,
        "clip_range": falling(clip) if "clip_decay" in ppo else clip,
        "n_steps": ppo["batch_size"] // lanes,
        "batch_size": ppo["micro_batch_size"],
        "n_epochs": ppo["epochs"],
        "gamma": ppo["gamma"],
        "gae_lambda": ppo["gae_lambda"],
        "max_grad_norm": ppo["max_grad_norm"],
        "ent_coef": ppo.get("entropy_coef", 0.0),
        "vf_coef": 0.5,  # of a squared error that is not halved
    }


def falling(value: float) -> Callable[[float], float]:
    """Return the schedule that falls linearly from `value` to 0."""
    return lambda left: left * value


def main() -> None:
    """Train, evaluate and say how it went."""
    parser = argparse.ArgumentParser()
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    manifest = yaml.safe_load(arguments.manifest.read_text())
    env = manifest["simulator"]["env"]
    scale = manifest["algorithm"].get("reward_scale", 1.0)
    envs = make_vec_env(
        env,
        n_envs=manifest["simulator"]["lanes"],
        seed=arguments.seed,
        wrapper_class=TransformReward,  # around what notes the returns
        wrapper_kwargs={"func": lambda reward: scale * reward},
    )
    model = PPO("MlpPolicy", envs, seed=arguments.seed, device="cpu", **options(manifest))
    model.learn(manifest["budget"]["decisions"], callback=Returns())
    fresh = make_vec_env(env, seed=1000 + arguments.seed)
    returns, _ = evaluate_policy(
        model, fresh, EPISODES, deterministic=True, return_episode_rewards=True
    )
    print(json.dumps({"returns": [float(one) for one in returns]}))


if __name__ == "__main__":
    main()
