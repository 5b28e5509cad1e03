"""Pictures are fitted and read where they should be."""

import numpy as np
import pytest
import torch
from PIL import Image

from premotor.models.vision.glimpse import Glimpse
from premotor.models.vision.keypoints import SpatialSoftmax
from premotor.models.vision.letterbox import letterbox
from premotor.models.vision.pixels import Fit, Pixels
from premotor.models.vision.resnet import Norm, ResNet, map_side
from premotor.models.vision.shuffle import pixel_shuffle
from premotor.models.vision.squeeze import squeeze


@pytest.mark.parametrize("norm", ["frozen", "batch", "group"])
@pytest.mark.parametrize(("height", "width"), [(64, 64), (33, 97)])
def test_a_residual_network_gives_the_map_it_promises(norm: Norm, height: int, width: int) -> None:
    network = ResNet(16, (16, 16, 32, 32), (1, 2, 1, 1), norm=norm, bottleneck=True)
    found = network(torch.randn(2, 3, height, width))
    assert found.shape == (2, network.channels, map_side(height), map_side(width))


def test_plain_blocks_have_no_dilated_form() -> None:
    with pytest.raises(ValueError, match="bottleneck"):
        ResNet(16, (16, 16, 16, 16), (1, 1, 1, 1), norm="batch", dilated=True)


def test_a_keypoint_is_where_the_feature_is() -> None:
    places = SpatialSoftmax(1, (4, 6), 1)
    torch.nn.init.constant_(places.maps.weight, 100.0)
    seen = torch.zeros(1, 1, 4, 6)
    seen[0, 0, 0, 5] = 1.0
    assert torch.allclose(places(seen), torch.tensor([[[1.0, -1.0]]]), atol=1e-5)


def test_a_glimpse_sees_eight_cells_around_its_point_and_nothing_else() -> None:
    glimpse = Glimpse(3, 32, 5).eval()
    seen, points = torch.randn(2, 3, 32, 32), torch.tensor([[[10 / 32, 20 / 32]], [[16 / 32, 4 / 32]]])
    before = glimpse(seen, points)
    assert before.shape == (2, 1, 5)
    far = torch.randn(2, 3, 32, 32)
    far[0, :, 16:24, 6:14], far[1, :, 0:8, 12:20] = seen[0, :, 16:24, 6:14], seen[1, :, 0:8, 12:20]
    assert torch.allclose(glimpse(far, points), before, atol=1e-6)
    for v, u in ((16, 6), (23, 13)):
        near = seen.clone()
        near[0, :, v, u] += 10.0
        assert not torch.allclose(glimpse(near, points)[0], before[0], atol=1e-4)
        assert torch.allclose(glimpse(near, points)[1], before[1], atol=1e-6)


def test_a_glimpse_over_the_edge_goes_on_with_the_edge() -> None:
    glimpse, flat = Glimpse(2, 4, 3).eval(), torch.ones(1, 2, 16, 16)
    corner, middle = glimpse(flat, torch.tensor([[[0.0, 1.0], [0.5, 0.5]]]))[0]
    assert torch.allclose(corner, middle, atol=1e-6)


def test_a_crop_is_random_only_while_training() -> None:
    fit, image = Fit((), (4, 4), random=True), torch.arange(144.0).view(1, 1, 12, 12)
    assert len({float(fit(image)[0, 0, 0, 0]) for _ in range(20)}) > 1
    assert {float(fit.eval()(image)[0, 0, 0, 0]) for _ in range(5)} == {4 * 12 + 4}


def test_a_crop_larger_than_the_image_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(8, 8\) out of an image of \(4, 4\)"):
        Fit((), (8, 8), random=False)(torch.zeros(1, 3, 4, 4))


def test_statistics_for_another_number_of_cameras_are_refused() -> None:
    with pytest.raises(ValueError, match="has 6 numbers"):
        Pixels((0.0,) * 6, (1.0,) * 6, 3)


@pytest.mark.parametrize(("height", "width", "size"), [(52, 70, 42), (20, 30, 28), (48, 64, 28), (30, 30, 56)])
def test_a_squeezed_picture_is_pillow_s(height: int, width: int, size: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    wanted = np.asarray(Image.fromarray(picture).resize((size, size), Image.Resampling.BICUBIC))
    tensor = torch.from_numpy(picture).permute(2, 0, 1)[None]
    assert np.array_equal(squeeze(tensor, size)[0].permute(1, 2, 0).numpy(), wanted)
    # What was augmented is not rounded, and stays within what a picture can show.
    fine = squeeze(tensor.float(), size)
    assert (fine - squeeze(tensor, size)).abs().max() < 3
    assert 0 <= float(fine.min()) <= float(fine.max()) <= 255


@pytest.mark.parametrize("side", [1, 2, 3])
def test_tokens_of_a_small_square_become_one(side: int) -> None:
    tokens = torch.randn(2, 36, 5)
    grid, found = tokens.view(2, 6, 6, 5), pixel_shuffle(tokens, side)
    across = 6 // side
    for row in range(across):
        for column in range(across):
            square = grid[:, row * side : (row + 1) * side, column * side : (column + 1) * side]
            assert torch.equal(found[:, row * across + column], square.flatten(1))


@pytest.mark.parametrize(("height", "width"), [(20, 40), (40, 20), (20, 20)])
def test_a_picture_that_is_not_centred_is_at_the_bottom_right(height: int, width: int) -> None:
    found = letterbox(torch.ones(1, 3, height, width), 32, fill=-1.0, antialias=False, centred=False)[0, 0]
    wanted = torch.full((32, 32), -1.0)
    wanted[32 - 32 * height // max(height, width) :, 32 - 32 * width // max(height, width) :] = 1.0
    assert torch.equal(found, wanted)
