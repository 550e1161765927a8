import pytest
import torch

from robot_rl.agents.augmented import augmented
from robot_rl.nn.blocks import set_product_dtype
from robot_rl.nn.vision_config import VisionConfig
from robot_rl.nn.visual_encoder import VisualEncoder
from robot_rl.specs import ArraySpec

KEY = "feature/front"
FEATURES = torch.randn(2, 5, 3, 4, 4, generator=torch.Generator().manual_seed(0)).half()


def seen(value, key=KEY, dtype=torch.bfloat16, **settings):
    return augmented({key: value}, VisionConfig(**settings), torch.Generator().manual_seed(0), dtype)[key]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("hidden_share", [0.0, 0.3])
def test_maps_that_are_multiplied_as_they_are_come_in_the_type_of_the_products(dtype, hidden_share):
    found = seen(FEATURES, dtype=dtype, hidden_share=hidden_share, pool="flat")
    assert found.dtype == dtype
    expected = seen(FEATURES, dtype=torch.float32, hidden_share=hidden_share, pool="flat")
    assert torch.equal(found, expected.to(dtype))


def test_eyes_see_the_same_as_if_they_converted_for_themselves():
    eyes = VisualEncoder({KEY: ArraySpec((3, 4, 4), "float16")}, VisionConfig(pool="flat"), torch.Generator().manual_seed(0))
    set_product_dtype(eyes, torch.bfloat16)
    assert torch.equal(eyes({KEY: seen(FEATURES, hidden_share=0.0)}), eyes({KEY: FEATURES}))


def test_maps_whose_places_matter_keep_their_precision():
    assert seen(FEATURES, hidden_share=0.0, pool="keypoints").dtype == torch.float16
    assert seen(FEATURES, hidden_share=0.3, pool="keypoints").dtype == torch.float32


def test_what_is_stored_is_not_touched():
    stored = FEATURES.float()
    seen(stored, hidden_share=0.9)
    assert torch.equal(stored, FEATURES.float())


def test_images_are_shifted_and_state_passes():
    image = torch.arange(2 * 8 * 8 * 3, dtype=torch.uint8).reshape(2, 8, 8, 3)
    assert seen(image, key="image/front").dtype == torch.uint8
    assert not torch.equal(seen(image, key="image/front"), image)
    state = torch.ones(2, 3)
    assert seen(state, key="state/arm/height") is state
