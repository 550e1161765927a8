"""A world model written by hand: a point on a line, whose latent is where it is."""

import torch

from robot_rl.nn.world_model import ModelSizes

LIMIT = 1.0


class Line:
    """z [.., 1] moves by 0.2 times the action [.., 1]; each step pays minus its distance to the target; it never ends there.

    The policy always goes `policy_action`; critics say minus the distance, and disagree by `doubt` right of zero.
    """

    def __init__(self, policy_action=0.0, *, target=0.6, doubt=0.0, num_critics=2, ends_beyond=None):
        self.policy_action, self.target, self.doubt, self.ends_beyond = policy_action, target, doubt, ends_beyond
        self.sizes = ModelSizes(1, 1, 1, 0, (1,), num_critics, 1, 2, 1.0, "relu")
        self.bins = self
        self.num_scored = 0

    def next(self, z, action):
        return z + 0.2 * action

    def reward_logits(self, z, action):
        self.num_scored += len(z)
        return -(z[..., 0] + 0.2 * action[..., 0] - self.target).abs()

    def decode(self, reward):
        return reward

    def termination_logit(self, z):
        if self.ends_beyond is None:
            return torch.full_like(z[..., 0], -50.0)
        return torch.where(z[..., 0] > self.ends_beyond, 50.0, -50.0)

    def policy(self, z):
        mean = torch.full((1, len(z), 1), self.policy_action).atanh()
        return mean, torch.full_like(mean, -2.0)

    def by_critic(self, actions, shift=0):
        return actions[0]

    def values(self, z, action, members=None, *, frozen=False):
        value = -(z[..., 0] - self.target).abs()
        apart = self.doubt * (z[..., 0] > 0.0) * torch.linspace(-1.0, 1.0, self.sizes.num_critics)[:, None]
        return value + apart
