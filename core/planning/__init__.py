"""Planning: how a manifest fits the machines it is meant for, and how fast it would be there."""
