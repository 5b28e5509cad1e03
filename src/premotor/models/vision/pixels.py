"""From camera pixels to what a network was trained to see: normalised, resized, cropped."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "Fit", "Pixels"]

# Of pixels in 0..255.
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


class Pixels(nn.Module):
    """Images (..., H, W, 3) in 0..255 -> (N, 3, H, W) normalised; leading axes become one.

    mean, std: three numbers for all cameras, or three for each.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...], cameras: int) -> None:
        super().__init__()
        for name, values in (("mean", mean), ("std", std)):
            if len(values) not in (3, 3 * cameras):
                raise ValueError(f"pixel {name} has {len(values)} numbers; it takes 3, or 3 for each of {cameras}")
            table = torch.tensor(values).view(-1, 3, 1, 1).expand(cameras, 3, 1, 1).clone()
            self.register_buffer(name, table, persistent=False)

    def forward(self, image: Tensor, camera: int) -> Tensor:
        """Normalise the pictures of one camera; see the class for shapes."""
        flat = image.flatten(0, -4).permute(0, 3, 1, 2).to(self.mean.dtype)
        return (flat - self.mean[camera]) / self.std[camera]


class Fit(nn.Module):
    """(N, 3, H, W) -> resized to `size`, then cut to `crop`, both (height, width) or () for as it is.

    random: while training, one place for the whole batch is drawn to cut at; else, and always when acting, the centre.
    """

    def __init__(self, size: tuple[int, ...], crop: tuple[int, ...], random: bool) -> None:
        super().__init__()
        self.size, self.crop, self.random = size, crop, random

    def forward(self, image: Tensor) -> Tensor:
        """Fit; see the class for shapes."""
        if self.size and tuple(image.shape[-2:]) != self.size:
            image = F.interpolate(image, self.size, mode="bilinear", align_corners=False, antialias=True)
        if not self.crop or tuple(image.shape[-2:]) == self.crop:
            return image
        spare = [have - want for have, want in zip(image.shape[-2:], self.crop, strict=True)]
        if min(spare) < 0:
            raise ValueError(f"cannot cut {self.crop} out of an image of {tuple(image.shape[-2:])}")
        if self.random and self.training:
            top, left = (int(torch.randint(0, s + 1, size=(1,))) for s in spare)
        else:
            top, left = (round(s / 2) for s in spare)
        return image[..., top : top + self.crop[0], left : left + self.crop[1]]
