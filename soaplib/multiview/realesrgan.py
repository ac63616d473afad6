"""Real-ESRGAN (Wang et al. 2021), for those who have its weights: x4 upsampling of pictures, never needed.

The network is ESRGAN's (Wang et al. 2018): residual-in-residual dense blocks at the low resolution, then twice
nearest x2 and a convolution. Widths and depth are read off the file, so x4plus (23 blocks) and x4plus_anime_6B load
alike, from the published `.pth` or a safetensors file of the same keys.
"""

import os
import pathlib
import pickle
import re

import torch
import torch.nn.functional as F
from torch import nn

from soaplib.errors import UserError

VARIABLE = "SOAP_REALESRGAN"
"""Environment variable that names the file of weights. Else the first `*.safetensors` or `*.pth` by name in the folder
`realesrgan` of the user's data folder (`platformdirs.user_data_dir("soaplib")`) is taken, where there is one.
On two cores x4plus takes about a minute for six views of 128 x 128, anime_6B a fifth of it."""

_ENDINGS = (".safetensors", ".pth")


def find_realesrgan() -> pathlib.Path | None:
    """Give the file of the user's weights (see `VARIABLE`), or None.

    Raises UserError where the variable names no file.
    """
    named = os.environ.get(VARIABLE)
    if named:
        path = pathlib.Path(named).expanduser()
        if not path.is_file():
            raise UserError(
                f"{VARIABLE} names {named}, which is no file; name Real-ESRGAN's .pth, or unset it."
            )
        return path
    import platformdirs

    folder = pathlib.Path(platformdirs.user_data_dir("soaplib")) / "realesrgan"
    return next((file for file in sorted(folder.glob("*")) if file.suffix in _ENDINGS), None)


def load_realesrgan(path: str | pathlib.Path) -> "RRDBNet":
    """Load weights in the published layout; plain, or under `params_ema` or `params`.

    Raises UserError where the file holds no x4 network of RGB in that layout.
    """
    weights = _read(pathlib.Path(path))
    blocks = {int(found[1]) for key in weights if (found := re.match(r"body\.(\d+)\.", key))}
    try:
        features, channels = weights["conv_first.weight"].shape[:2]
        grow = weights["body.0.rdb1.conv1.weight"].shape[0]
        network = RRDBNet(features, max(blocks) + 1, grow)
        network.load_state_dict({key: value.float() for key, value in weights.items()})
    except (KeyError, RuntimeError) as error:
        raise UserError(
            f"{path} is expected to hold Real-ESRGAN x4plus or x4plus_anime_6B, but its tensors are others: "
            f"{str(error).splitlines()[0]}."
        ) from None
    if channels != 3:
        raise UserError(
            f"{path} is expected to hold a x4 network of 3 channels, it takes {channels}; use x4plus."
        )
    return network.eval()


class RRDBNet(nn.Module):
    """The network; (B, 3, H, W) in [0, 1] to (B, 3, 4H, 4W)."""

    def __init__(self, features: int = 64, blocks: int = 23, grow: int = 32):
        super().__init__()
        self.conv_first = _conv(3, features)
        self.body = nn.Sequential(*(_RRDB(features, grow) for _ in range(blocks)))
        self.conv_body = _conv(features, features)
        self.conv_up1 = _conv(features, features)
        self.conv_up2 = _conv(features, features)
        self.conv_hr = _conv(features, features)
        self.conv_last = _conv(features, 3)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        features = self.conv_first(image)
        features = features + self.conv_body(self.body(features))
        for layer in (self.conv_up1, self.conv_up2):
            features = _leaky(layer(F.interpolate(features, scale_factor=2, mode="nearest")))
        return self.conv_last(_leaky(self.conv_hr(features)))


class _RRDB(nn.Module):
    def __init__(self, features, grow):
        super().__init__()
        self.rdb1, self.rdb2, self.rdb3 = (_DenseBlock(features, grow) for _ in range(3))

    def forward(self, x):
        return x + 0.2 * self.rdb3(self.rdb2(self.rdb1(x)))


class _DenseBlock(nn.Module):
    def __init__(self, features, grow):
        super().__init__()
        for k in range(4):
            setattr(self, f"conv{k + 1}", _conv(features + k * grow, grow))
        self.conv5 = _conv(features + 4 * grow, features)

    def forward(self, x):
        seen = x
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4):
            seen = torch.cat([seen, _leaky(layer(seen))], 1)
        return x + 0.2 * self.conv5(seen)


def _conv(into, out):
    return nn.Conv2d(into, out, 3, padding=1)


def _leaky(x):
    return F.leaky_relu(x, 0.2)


def _read(path):
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            weights = load_file(path)
        else:
            weights = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, ValueError, RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise UserError(
            f"{path} is no file of weights that can be read safely ({type(error).__name__})."
        ) from None
    except Exception as error:
        if type(error).__module__.startswith("safetensors"):
            raise UserError(f"{path} is no safetensors file ({error}).") from None
        raise
    for wrap in ("params_ema", "params"):
        if isinstance(weights.get(wrap), dict):
            return weights[wrap]
    return weights
