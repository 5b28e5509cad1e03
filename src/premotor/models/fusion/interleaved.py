"""A decoder beside another that it reads in two ways by turns, as SmolVLA's action expert does (arXiv 2506.01844).

In some layers its tokens read the other's and their own together, as in pi0. In the layers between they read the other
alone, by keys and values that are made anew out of the other's; there they stand as if they were the first.
"""

from torch import Tensor, nn

from premotor.models.fusion.decoder import Block, DecoderConfig, Norm, Past, rotary

__all__ = ["InterleavedDecoder"]


class InterleavedDecoder(nn.Module):
    """x (B, T, D) -> (B, T, D), beside a decoder of as many layers, with heads alike.

    joint_every: in every so many layers, from the first, all are read together; 1 for all layers, 0 for none.
    """

    def __init__(self, config: DecoderConfig, joint_every: int) -> None:
        super().__init__()
        self.config = config
        joint = [joint_every > 0 and index % joint_every == 0 for index in range(config.layers)]
        self.blocks = nn.ModuleList(Block(config, config.width) if both else _CrossBlock(config) for both in joint)
        self.norm = Norm(config)

    def adopt(self, past: Past) -> Past:
        """The other's past as it is read here. It does not change with x, so once is enough."""
        return [
            block.adopt(*other) if isinstance(block, _CrossBlock) else other
            for block, other in zip(self.blocks, past, strict=True)
        ]

    def forward(self, x: Tensor, mask: Tensor, places: Tensor, adopted: Past) -> Tensor:
        """Features. mask and places as in Decoder; adopted: from `adopt`."""
        angles, from_first = rotary(places, self.config), rotary(places - places[:, :1], self.config)
        for block, other in zip(self.blocks, adopted, strict=True):
            if isinstance(block, _CrossBlock):
                x = block.cross(x, mask[..., : other[0].shape[2]], from_first, other)
            else:
                x, _ = block(x, mask, angles, None, other)
        return self.norm(x, None)[0]


class _CrossBlock(Block):
    """Reads adopted keys and values, and nothing of its own."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__(config, config.kv_heads * config.head_width)

    def adopt(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (B, K, P, W) of the other, as they are read here: keys were turned there, so not again."""
        k, v = (part.transpose(1, 2).flatten(2) for part in (keys, values))
        return self.split(self.key(k)), self.split(self.value(v))

    def cross(self, x: Tensor, mask: Tensor, angles: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> Tensor:
        """What becomes of x."""
        at, _ = self.before_read(x, None)
        return self.think(x + self.read(at, *other, mask, angles), None)
