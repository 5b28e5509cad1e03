"""An image as a few places: where each of K learned features is (spatial softmax, arXiv 1509.06113)."""

import torch
from torch import Tensor, nn

from premotor.models.vision.pixels import Fit
from premotor.models.vision.resnet import ResNet, map_side

__all__ = ["KeypointEncoder", "SpatialSoftmax"]


class SpatialSoftmax(nn.Module):
    """Feature map (B, C, H, W) -> expected place (B, K, 2) of each keypoint, x then y, in -1..1."""

    grid: Tensor

    def __init__(self, channels: int, size: tuple[int, int], keypoints: int) -> None:
        super().__init__()
        self.maps = nn.Conv2d(channels, keypoints, 1)
        rows, columns = (torch.linspace(-1, 1, side, dtype=torch.float64) for side in size)
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        self.register_buffer("grid", torch.stack([x, y], -1).view(-1, 2).float())

    def forward(self, features: Tensor) -> Tensor:
        """Find the keypoints; see the class for shapes."""
        return self.maps(features).flatten(2).softmax(-1) @ self.grid


class KeypointEncoder(nn.Module):
    """Normalised images (N, 3, H, W) -> features (N, 2K)."""

    def __init__(self, fit: Fit, backbone: ResNet, size: tuple[int, int], keypoints: int) -> None:
        """size: (height, width) of the images that come out of `fit`."""
        super().__init__()
        self.fit, self.backbone = fit, backbone
        self.places = SpatialSoftmax(backbone.channels, (map_side(size[0]), map_side(size[1])), keypoints)
        self.out = nn.Linear(2 * keypoints, 2 * keypoints)

    def forward(self, image: Tensor) -> Tensor:
        """Encode; see the class for shapes."""
        return torch.relu(self.out(self.places(self.backbone(self.fit(image))).flatten(1)))
