"""Sample-efficient reinforcement learning for real robots."""

__version__ = "0.1.0"
