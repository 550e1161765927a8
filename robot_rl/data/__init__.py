"""Replay, episodes on disk and what agents are fed."""
