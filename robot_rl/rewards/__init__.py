"""Rewards that are learned: success classifiers on camera images, and how they are trained, measured and kept."""
