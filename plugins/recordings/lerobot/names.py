"""What LeRobot calls the parts of a dataset."""

from __future__ import annotations

STATE, ACTION, IMAGES = "observation.state", "action", "observation.images."
"""Features; the last is followed by a camera's name."""
INDEX = ("frame_index", "episode_index", "index", "task_index")
"""Columns of whole numbers that every table has."""
INFO, TASKS, STATS = "meta/info.json", "meta/tasks.parquet", "meta/stats.json"
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
EPISODES = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
CHUNK = 1000
"""Files in a folder."""
