"""A device without values, for finding out who looks at one."""

import torch
import torch._dynamo  # before Generator is replaced: it is loaded late otherwise, and looks at the type


class Unreadable(torch.Generator):
    """A generator for the device `meta`, whose tensors have no values: whoever looks at one raises."""

    def __new__(cls, device="cpu"):
        generator = super().__new__(cls, "cpu")
        generator.where = torch.device(device)
        return generator

    @property
    def device(self):
        return self.where
