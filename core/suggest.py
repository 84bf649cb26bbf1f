"""Which key a user meant: by its spelling, or by what other frameworks call it."""

from __future__ import annotations

import difflib
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SYNONYMS = MappingProxyType(
    {
        "batching": "schedulers.batching",
        "sharding": "schedulers.sharding",
        "learning_rate": "algorithm.lr",
        "train_batch_size": "algorithm.batch_size",
        "global_batch_size": "algorithm.batch_size",
        "mini_batch_size": "algorithm.micro_batch_size",
        "per_device_train_batch_size": "algorithm.micro_batch_size",
        "ppo_epochs": "algorithm.epochs",
        "num_epochs": "algorithm.epochs",
        "num_generations": "algorithm.group_size",
        "n_samples": "algorithm.group_size",
        "clip": "algorithm.clip_high",
        "clip_range": "algorithm.clip_high",
        "clip_ratio": "algorithm.clip_high",
        "lam": "algorithm.gae_lambda",
        "lambda": "algorithm.gae_lambda",
        "ent_coef": "algorithm.entropy_coef",
        "vf_coef": "algorithm.value_coef",
        "lora_rank": "model.lora.r",
        "lora_r": "model.lora.r",
        "lora_alpha": "model.lora.alpha",
        "peft": "model.lora",
        "rank": "model.lora.r",
        "policy": "model",
        "actor": "model",
        "model_path": "model.checkpoint",
        "model_name_or_path": "model.checkpoint",
        "env": "simulator",
        "env_type": "simulator.type",
        "num_envs": "simulator.lanes",
        "n_envs": "simulator.lanes",
        "total_num_envs": "simulator.lanes",
        "num_workers": "schedulers.sharding.shards",
        "staleness_threshold": "async.max_staleness",
        "staleness": "async.max_staleness",
        "max_offpolicy_steps": "async.max_staleness",
        "queue_size": "async.max_staleness",
        "steps": "budget.updates",
        "max_steps": "budget.updates",
        "train_steps": "budget.updates",
        "max_epochs": "budget.updates",
        "total_timesteps": "budget.decisions",
        "env_steps": "budget.decisions",
        "hours": "budget.minutes",
        "save_freq": "checkpoint.every",
        "save_steps": "checkpoint.every",
        "save_interval": "checkpoint.every",
        "eval_freq": "eval.every",
        "test_freq": "eval.every",
        "val_check_interval": "eval.every",
        "n_eval_episodes": "eval.episodes",
        "evaluation": "eval",
        "report_to": "log",
        "logger": "log",
        "loggers": "log",
        "logger_backends": "log",
        "wandb": "log",
        "job_name": "name",
        "run_name": "name",
        "experiment_name": "name",
        "log_path": "output_dir",
        "save_dir": "output_dir",
        "defaults": "extends",
        "version": "rlvla",
        "_target_": "type",
        "_component_": "type",
        "asynchronous": "async",
    }
)
"""What others call it, to the whole key here."""


def suggest(name: str, known: Sequence[str]) -> str | None:
    """Return the key that `name` probably means, or None.

    A key of the same mapping is returned bare, one that belongs elsewhere with its whole path.
    """
    meant = SYNONYMS.get(name.lower().replace("-", "_"))
    here = meant.rpartition(".")[2] if meant else None
    if here in known:
        return here
    close = difflib.get_close_matches(name[:80], known, n=1)
    return close[0] if close else meant
