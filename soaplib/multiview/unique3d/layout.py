"""Which published network a folder holds, told from the headers of its files: names and shapes, no tensor is loaded."""

import dataclasses
import json
import pathlib

from soaplib.errors import UserError

_STEM = "diffusion_pytorch_model"
_LARGEST_HEADER = 100_000_000  # bytes, the limit of the safetensors format
DEFAULT_VIEWS = 6


@dataclasses.dataclass(frozen=True)
class Layout:
    """What a folder's UNet is.

    kind: "views" (D_r, and D_n if fine-tuned from it), "reference" (Unique3D's normals: a twin UNet reads the
    picture) or "plain" (the picture's latents beside the noise, each view by itself). n_views: views that attend
    to each other. labels: how many view labels it knows, 0 for none. variant: diffusers' name for the precision
    of the files, as in `diffusion_pytorch_model.fp16.safetensors`. shapes: of every tensor, by name.
    """

    kind: str
    n_views: int
    labels: int
    variant: str | None
    shapes: dict[str, tuple[int, ...]]


def detect(folder: pathlib.Path) -> Layout:
    """Tell what the UNet in `folder` (with its config.json and .safetensors, whole or in shards) is.

    Raises UserError for missing, pickled or damaged files, and for a UNet that takes no picture to follow.
    """
    config = read_json(folder / "config.json")
    shapes, variant = read_shapes(folder)
    if len(shapes.get("conv_in.weight", ())) != 4:
        raise UserError(
            f"{folder} holds no UNet of Stable Diffusion's layout: expected a tensor conv_in.weight of four "
            f"dimensions among its {len(shapes)}, such as {min(shapes, default='none')}; give a published model."
        )
    channels = shapes["conv_in.weight"][1]
    labels = shapes.get("class_embedding.weight", (0,))[0]
    n_views = config.get("n_views", config.get("n_view", DEFAULT_VIEWS))
    if not isinstance(n_views, int) or n_views < 1:
        raise UserError(f"{folder / 'config.json'} says n_views is {n_views!r}, expected a number from 1.")
    if any(
        name.startswith("ref_unet.") or ".attn1.processor.crosspond_attention." in name for name in shapes
    ):
        return Layout("reference", 1, 0, variant, shapes)
    if channels != 8:
        raise UserError(
            f"The UNet in {folder} takes {channels} channels, expected 8 (noise and the portrait's latents): it "
            "follows no portrait; give the folder of SOAP's or Unique3D's models."
        )
    if config.get("_class_name") == "UNet2DConditionModel" and not labels:
        return Layout("plain", 1, 0, variant, shapes)
    return Layout("views", n_views, labels, variant, shapes)


def read_shapes(folder: pathlib.Path) -> tuple[dict[str, tuple[int, ...]], str | None]:
    """Give the shape of every tensor of the diffusers model in `folder`, and its files' variant (None or "fp16")."""
    wholes = sorted(folder.glob(f"{_STEM}*.safetensors"), key=lambda path: len(path.name))
    wholes = [path for path in wholes if "-of-" not in path.name]
    indices = sorted(folder.glob(f"{_STEM}.safetensors.index*.json"), key=lambda path: len(path.name))
    if wholes:
        variant = wholes[0].name.removeprefix(_STEM).removesuffix(".safetensors").strip(".")
        return read_header(wholes[0]), variant or None
    if indices:
        variant = indices[0].name.removeprefix(f"{_STEM}.safetensors.index").removesuffix("json").strip(".")
        shards = read_json(indices[0]).get("weight_map", {})
        shapes = {}
        for name in sorted(set(shards.values())):
            shapes |= read_header(folder / name)
        missing = sorted(set(shards) - set(shapes))
        if missing:
            raise UserError(
                f"The shards in {folder} lack {len(missing)} tensors of their index, such as {missing[0]}; copy "
                "the folder again."
            )
        return shapes, variant or None
    raise missing_weights(folder)


def missing_weights(folder: pathlib.Path) -> UserError:
    """Say that `folder` has no safetensors, and why a pickle beside it will not do."""
    pickled = sorted(
        path.name for path in folder.glob("*") if path.suffix in (".bin", ".pt", ".pth", ".ckpt")
    )
    if pickled:
        return UserError(
            f"{folder} holds its weights as a pickle ({pickled[0]}), which may run code when it is read: convert "
            "them to .safetensors first."
        )
    return UserError(
        f"No weights in {folder}: expected a .safetensors file; copy the whole published folder there."
    )


def read_header(path: pathlib.Path) -> dict[str, tuple[int, ...]]:
    """Give the shapes in one .safetensors file: its first 8 bytes are the length of the JSON that follows.

    Source: the safetensors format, https://github.com/huggingface/safetensors. Raises UserError for a missing file,
    one that is cut short, and one that is something else.
    """
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= _LARGEST_HEADER:
                raise ValueError("its first 8 bytes are no length of a header")
            header = json.loads(file.read(length))
            end = (
                8
                + length
                + max((v["data_offsets"][1] for k, v in header.items() if k != "__metadata__"), default=0)
            )
            if path.stat().st_size != end:
                raise ValueError(f"{end} bytes expected, {path.stat().st_size} found")
            return {k: tuple(v["shape"]) for k, v in header.items() if k != "__metadata__"}
    except FileNotFoundError:
        raise UserError(f"No file {path}: copy the whole published folder there.") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} is no whole .safetensors file ({error}); copy it again, a Git LFS pointer will not do."
        ) from None


def read_json(path: pathlib.Path) -> dict:
    """Read a published folder's JSON; raises UserError where it is missing or damaged."""
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        raise UserError(f"No file {path}: copy the whole published folder there.") from None
    except ValueError as error:
        raise UserError(f"{path} is not JSON ({error}); copy it again.") from None
    if not isinstance(found, dict):
        raise UserError(f"{path} holds no JSON object; copy it again.")
    return found
