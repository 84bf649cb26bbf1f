"""A manifest whose components say how long they take."""

TEXT = """
rlvla: 1
name: planned
simulator: {type: latency, lanes: 4, max_steps: 4, step_latency: {mean_ms: 100}}
model: {type: latency, generator: {base_ms: 10, per_sample_ms: 1}, trainer: {per_sample_ms: 5}}
algorithm: {type: ppo, batch_size: 32, micro_batch_size: 4}
async: {segment: 4}
schedulers: {sharding: {type: even, shards: 4}}
placement: {generator: {turns: gpu}, trainer: {turns: gpu}}
budget: {updates: 10}
eval: {lanes: 1}
"""
