"""Who answers the pipeline: objects, processes, latency models or remote actors."""
