"""The commands of `rlvla`, one module per noun."""
