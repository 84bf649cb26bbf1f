"""PPO on a gymnasium environment in one file and one process: what a framework has to beat.

    python benchmarks/plain_ppo.py --env HalfCheetah-v5 --decisions 81920

Prints a JSON line per update: the decisions so far and the seconds since the start. The schedule
is the textbook's: roll out, then train, then roll out again. Network, initialisation, loss and
defaults are those of `stable-baselines3`; advantages are normalised within a minibatch.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from typing import Any

import gymnasium
import numpy as np
import torch
from torch import Tensor, nn

ENVS, STEPS, EPOCHS, MINIBATCH = 16, 128, 10, 64
GAMMA, LAMBDA, CLIP, LR, NORM = 0.99, 0.95, 0.2, 3e-4, 0.5
HIDDEN = 64


class Agent(nn.Module):
    """Actor and critic apart; the deviation is a parameter."""

    def __init__(self, shown: int, taken: int) -> None:
        super().__init__()
        self.actor = perceptron(shown, taken, gain=0.01)
        self.critic = perceptron(shown, 1, gain=1.0)
        self.log_std = nn.Parameter(torch.zeros(taken))

    def act(self, seen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return actions, the log-probability of each and values."""
        mean = self.actor(seen)
        action = mean + self.log_std.exp() * torch.randn_like(mean)
        return action, self.log_prob(mean, action), self.critic(seen)[:, 0]

    def log_prob(self, mean: Tensor, action: Tensor) -> Tensor:
        """Return the log-probability of each action, summed over its dimensions."""
        distance = (action - mean) * (-self.log_std).exp()
        return (-0.5 * distance.square() - self.log_std - 0.5 * math.log(2 * math.pi)).sum(1)


def perceptron(inputs: int, outputs: int, *, gain: float) -> nn.Sequential:
    """Return two tanh layers and a linear one."""
    sizes = [(inputs, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, outputs)]
    layers = [nn.Linear(*size) for size in sizes]
    for layer, one_gain in zip(layers, (math.sqrt(2), math.sqrt(2), gain), strict=True):
        nn.init.orthogonal_(layer.weight, one_gain)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(layers[0], nn.Tanh(), layers[1], nn.Tanh(), layers[2])


class Rollout:
    """Environments and what they showed in the last STEPS steps."""

    def __init__(self, name: str, agent: Agent) -> None:
        self.agent = agent
        self.envs = [gymnasium.make(name) for _ in range(ENVS)]
        box: Any = self.envs[0].action_space
        self.low, self.high = box.low, box.high
        self.shown = np.stack([env.reset(seed=i)[0] for i, env in enumerate(self.envs)])

    def collect(self) -> dict[str, Tensor]:
        """Roll out; return what training needs, the decisions of all environments in one row."""
        kept: dict[str, list[Tensor]] = {name: [] for name in ("seen", "action", "log_prob")}
        rewards, values, ends = np.zeros((3, STEPS, ENVS), np.float32)
        for step in range(STEPS):
            seen = torch.as_tensor(self.shown, dtype=torch.float32)
            with torch.no_grad():
                action, log_prob, value = self.agent.act(seen)
            for name, one in {"seen": seen, "action": action, "log_prob": log_prob}.items():
                kept[name].append(one)
            values[step] = value.numpy()
            rewards[step], ends[step] = self.step(action.numpy())
        advantage = self.advantages(rewards, values, ends)
        flat = {name: torch.cat(parts) for name, parts in kept.items()}
        returns = torch.from_numpy((advantage + values).reshape(-1))
        return flat | {"advantage": torch.from_numpy(advantage.reshape(-1)), "return": returns}

    def step(self, actions: np.ndarray) -> tuple[list[float], list[bool]]:
        """Step every environment; begin anew where an episode ended."""
        rewards, ends = list[float](), list[bool]()
        for i, (env, action) in enumerate(zip(self.envs, actions, strict=True)):
            shown, reward, terminated, truncated, _ = env.step(action.clip(self.low, self.high))
            if truncated and not terminated:  # the return goes on where the time limit cut it
                reward = float(reward) + GAMMA * self.value(shown[None])[0]
            if terminated or truncated:
                shown, _ = env.reset()
            self.shown[i] = shown
            rewards.append(float(reward))
            ends.append(terminated or truncated)
        return rewards, ends

    def value(self, shown: np.ndarray) -> np.ndarray:
        """Return the critic's opinion."""
        with torch.no_grad():
            return self.agent.critic(torch.as_tensor(shown, dtype=torch.float32))[:, 0].numpy()

    def advantages(self, rewards: np.ndarray, values: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Return generalised advantages."""
        advantages = np.zeros_like(rewards)
        total, following = np.zeros(ENVS, np.float32), self.value(self.shown)
        for step in reversed(range(STEPS)):
            delta = rewards[step] + GAMMA * following * (1 - ends[step]) - values[step]
            total = delta + GAMMA * LAMBDA * (1 - ends[step]) * total
            advantages[step], following = total, values[step]
        return advantages


def train(agent: Agent, optimizer: torch.optim.Optimizer, batch: dict[str, Tensor]) -> None:
    """Take EPOCHS passes in minibatches."""
    for _ in range(EPOCHS):
        for index in torch.randperm(ENVS * STEPS).split(MINIBATCH):
            part = {name: one[index] for name, one in batch.items()}
            advantage = part["advantage"]
            advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
            log_prob = agent.log_prob(agent.actor(part["seen"]), part["action"])
            ratio = (log_prob - part["log_prob"]).exp()
            clipped = ratio.clamp(1 - CLIP, 1 + CLIP)
            policy_loss = -torch.min(advantage * ratio, advantage * clipped).mean()
            value_loss = (agent.critic(part["seen"])[:, 0] - part["return"]).square().mean()
            optimizer.zero_grad()
            torch.autograd.backward(policy_loss + 0.5 * value_loss)
            nn.utils.clip_grad_norm_(agent.parameters(), NORM)
            optimizer.step()


def main() -> None:
    """Train and say how far it is."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--env", default="HalfCheetah-v5")
    parser.add_argument("--decisions", type=int, default=81920)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    env = gymnasium.make(arguments.env)
    agent = Agent(
        math.prod(env.observation_space.shape or ()), math.prod(env.action_space.shape or ())
    )
    optimizer = torch.optim.Adam(agent.parameters(), lr=LR, eps=1e-5)
    rollout = Rollout(arguments.env, agent)
    began = time.perf_counter()
    for update in range(1, arguments.decisions // (ENVS * STEPS) + 1):
        train(agent, optimizer, rollout.collect())
        print(json.dumps([update * ENVS * STEPS, time.perf_counter() - began]), flush=True)


if __name__ == "__main__":
    main()
