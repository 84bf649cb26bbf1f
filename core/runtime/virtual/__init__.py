"""The pipeline on a virtual clock: latency models in place of processes, faults from a seed."""
