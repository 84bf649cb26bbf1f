"""Manifests to start from, and the checkpoint that the quick-start begins with."""
