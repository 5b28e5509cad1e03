"""What is heard, as patches of a spectrogram (AST, arXiv 2104.01778): loudness by pitch on the mel scale, over time."""

import torch
from torch import Tensor, nn

__all__ = ["Sound", "spectrogram"]

_RATE = 16000  # Hz
_WINDOW, _HOP = 400, 160  # 25 and 10 ms
_BANDS, _PATCH = 64, 16
_FLOOR = 1e-6  # power below which it is silent
_SECOND = 16000


def spectrogram(wave: Tensor) -> Tensor:
    """(B, S) pressure in -1..1 at 16 kHz -> (B, 64, T) logarithm of power in mel bands, one each 10 ms, low first."""
    window = torch.hann_window(_WINDOW, device=wave.device)
    spectrum = torch.stft(wave.float(), 512, _HOP, _WINDOW, window, center=True, return_complex=True)
    return (_mel(wave.device) @ spectrum.abs().square()).clamp(min=_FLOOR).log()


def _mel(device: torch.device) -> Tensor:
    """(64, 257) how much each frequency belongs to each band: triangles between 0 and 8 kHz."""
    top = 2595 * torch.log10(torch.tensor(1 + _RATE / 2 / 700))
    edges = 700 * (10 ** (torch.linspace(0, float(top), _BANDS + 2) / 2595) - 1)
    frequencies = torch.linspace(0, _RATE / 2, 257)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (frequencies - low) / (middle - low), (high - frequencies) / (high - middle)
    # The lowest bands are narrower than a frequency; each has the nearest at least.
    nearest = (frequencies - middle).abs().argmin(1, keepdim=True)
    return torch.minimum(rising, falling).clamp(min=0.0).scatter(1, nearest, 1.0).to(device)


class Sound(nn.Module):
    """(B, S) pressure in -1..1 at 16 kHz -> (B, 4 T / 16, D) for T = S / 160 moments, moment by moment."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.patch = nn.Conv2d(1, width, _PATCH, stride=_PATCH)
        self.pitch = nn.Parameter(torch.randn(_BANDS // _PATCH, width) * 0.02)

    @staticmethod
    def fake(batch: int) -> Tensor:
        """A second of noise."""
        return 0.1 * torch.randn(batch, _SECOND)

    def forward(self, wave: Tensor) -> Tensor:
        """See the class for shapes; a last part of less than 160 ms is not heard."""
        # Silence is 0, and what is loud some units more.
        heard = (spectrogram(wave) - torch.tensor(_FLOOR).log()) / 10
        patches = self.patch(heard[:, None].to(self.patch.weight.dtype)) + self.pitch.T[None, :, :, None]
        return patches.permute(0, 3, 2, 1).flatten(1, 2)
