"""Load published weights component by component: no code of theirs is run, no pickle read, nothing downloaded unasked.

Where the weights belong (`find_weights` looks in this order):

1. the folder that the environment variable SOAP_UNIQUE3D names,
2. `unique3d` in the user's data folder of soaplib (on Linux ~/.local/share/soaplib/unique3d),
3. the Hugging Face Hub's cache on this machine.

In the first two, one folder per model: `head-mvimage-diffuser` (D_r) and `head-mvnormal-diffuser` (D_n), as they are
on the Hub under `Luffuly/`, each with unet, vae, image_encoder, feature_extractor and scheduler inside.
"""

import inspect
import os
import pathlib
import re

from soaplib.errors import UserError
from soaplib.multiview.unique3d.layout import Layout, detect, missing_weights, read_json

REPOSITORIES = {"image": "Luffuly/head-mvimage-diffuser", "normal": "Luffuly/head-mvnormal-diffuser"}
VARIABLE = "SOAP_UNIQUE3D"
COMPONENTS = ("unet", "vae", "image_encoder", "feature_extractor", "scheduler")


def weights_folder() -> pathlib.Path:
    """Give the folder for weights that the user has, whether it is there or not; see the head of this module."""
    import platformdirs

    named = os.environ.get(VARIABLE)
    if named:
        return pathlib.Path(named).expanduser()
    return pathlib.Path(platformdirs.user_data_dir("soaplib")) / "unique3d"


def find_weights(kind: str) -> pathlib.Path:
    """Give the folder of the published model for `kind`, "image" (D_r) or "normal" (D_n).

    Raises UserError, which says what to put where, if this machine has it nowhere.
    """
    repository = _repository(kind)
    here = weights_folder() / repository.split("/")[1]
    if here.is_dir():
        return here
    cached = _from_hub(repository, download=False)
    if cached is None:
        raise UserError(
            f"The generator unique3d needs SOAP's published weights, and found none: put the model {repository} of "
            f"the Hugging Face Hub into {here}, or name the folder that holds it in {VARIABLE}."
        )
    return cached


def load_soap_pipeline(weights, kind: str = "image", *, download: bool = False, device="cpu", dtype=None):
    """Make a `MultiViewPipeline` of a published model.

    weights: its folder, or the name of its repository on the Hub, which must be in this machine's cache unless
    `download` is True. kind: "image" (portrait -> views) or "normal" (views -> normals). dtype: of all networks,
    torch.float32 unless given. Which network the folder holds is told from its files (`layout.detect`).

    Raises UserError, one sentence, for a missing folder or component, pickled or damaged weights, names and shapes
    other than the published layout's, or an image model where "normal" is needed.
    """
    _repository(kind)
    folder = _folder(weights, download)
    _check_complete(folder)
    layout = detect(folder / "unet")
    if kind == "image" and layout.kind != "views":
        raise UserError(
            f"{folder} holds no model of views: its UNet is of the kind {layout.kind!r}, in which views know nothing "
            'of each other; load it as kind="normal" or give the folder of D_r.'
        )
    return _assembled(folder, layout, kind, dtype).to(device)


def _repository(kind):
    if kind not in REPOSITORIES:
        raise UserError(f"The kind of a model must be one of {', '.join(REPOSITORIES)}, not {kind!r}.")
    return REPOSITORIES[kind]


def _folder(weights, download):
    folder = pathlib.Path(weights).expanduser()
    if folder.is_dir():
        return folder
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", str(weights)):
        raise UserError(f"No folder {weights}: give the folder of a published model, or its name on the Hub.")
    found = _from_hub(str(weights), download)
    if found is None:
        remedy = "check the name and the network" if download else "copy it there, or allow the download"
        raise UserError(f"No folder {weights}, and no such model in the Hugging Face Hub's cache: {remedy}.")
    return found


def _from_hub(repository, download):
    """Give the snapshot of a repository in the Hub's cache, or None; only JSON and safetensors are ever asked for."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return pathlib.Path(
            snapshot_download(
                repository, local_files_only=not download, allow_patterns=["*.json", "*.safetensors"]
            )
        )
    except (OSError, ValueError, HfHubHTTPError):
        return None


def _check_complete(folder):
    missing = [name for name in COMPONENTS if not (folder / name).is_dir()]
    if missing:
        raise UserError(
            f"{folder} lacks the folder {missing[0]}: a published model has {', '.join(COMPONENTS)}; copy all of it."
        )
    for name in ("vae", "image_encoder"):
        if not any((folder / name).glob("*.safetensors")):
            raise missing_weights(folder / name)


def _assembled(folder, layout, kind, dtype):
    import torch
    from diffusers import AutoencoderKL
    from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

    from soaplib.multiview.unique3d.pipeline import MultiViewPipeline

    dtype = dtype or torch.float32
    vae, encoder = folder / "vae", folder / "image_encoder"
    return MultiViewPipeline(
        vae=_network(AutoencoderKL, vae, variant=_variant(vae), torch_dtype=dtype),
        # transformers keeps the precision of the file, and the name of that setting depends on its version
        image_encoder=_network(CLIPVisionModelWithProjection, encoder, variant=_variant(encoder)).to(dtype),
        unet=_unet(folder / "unet", layout, dtype),
        scheduler=_scheduler(folder / "scheduler"),
        feature_extractor=_loaded(
            CLIPImageProcessor.from_pretrained, folder / "feature_extractor", local_files_only=True
        ),
        kind=kind,
    )


def _unet(folder, layout: Layout, dtype):
    """Build the network its file asks for; what the file says outranks its config."""
    import torch

    from soaplib.multiview.unique3d.reference import ReferenceNormalUNet
    from soaplib.multiview.unique3d.unet import MultiViewUNet

    own = {"in_channels": layout.shapes["conv_in.weight"][1], "num_class_embeds": layout.labels or None}
    if layout.kind == "reference":
        network = ReferenceNormalUNet
    else:
        network, own = MultiViewUNet, own | {"n_views": layout.n_views}
    known = inspect.signature(network.__init__).parameters
    config = {k: v for k, v in read_json(folder / "config.json").items() if k in known} | own
    with torch.device("meta"):
        expected = _loaded(network, **config)
    _compare(folder, layout.shapes, {k: tuple(v.shape) for k, v in expected.state_dict().items()})
    return _network(network, folder, variant=layout.variant, torch_dtype=dtype, **own)


def _compare(folder, found, expected):
    for name in sorted(found.keys() | expected.keys()):
        if name not in found or name not in expected:
            word = "lacks" if name not in found else "has"
            raise UserError(
                f"The UNet in {folder} {word} the tensor {name}, which its config.json "
                f"{'asks for' if name not in found else 'does not know'}: the two are of different models."
            )
        if found[name] != expected[name]:
            raise UserError(
                f"The UNet in {folder} has {name} of shape {found[name]} where its config.json asks for "
                f"{expected[name]}: the two are of different models."
            )


def _network(network, folder, **settings):
    """Load one network from safetensors; every tensor must be in the file."""
    model, info = _loaded(
        network.from_pretrained, folder, use_safetensors=True, local_files_only=True, output_loading_info=True,
        **settings,
    )  # fmt: skip
    missing = sorted(info["missing_keys"])
    if missing:
        raise UserError(
            f"The weights in {folder} lack {len(missing)} tensors, such as {missing[0]}; copy the folder again."
        )
    return model


def _loaded(load, *folder, **settings):
    """Call a loader of diffusers or transformers and turn its complaints into one sentence."""
    try:
        return load(*folder, **settings)
    except (OSError, ValueError, RuntimeError, TypeError, AttributeError) as error:
        where = folder[0] if folder else "The config.json of the UNet"
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{where} cannot be loaded ({reason}); copy the published folder again.") from error


def _variant(folder):
    """Name the precision in the file's name, as in `model.fp16.safetensors`; None where there is none."""
    shortest = min((path.name for path in folder.glob("*.safetensors")), key=len)
    parts = shortest.split(".")[1:-1]
    return parts[0].split("-")[0] if parts else None


def _scheduler(folder):
    """Load the scheduler the model was published with: DDIM for SOAP's, Euler for Unique3D's normals."""
    import diffusers

    name = read_json(folder / "scheduler_config.json").get("_class_name", "DDIMScheduler")
    scheduler = getattr(diffusers, str(name), None)
    if not (isinstance(scheduler, type) and issubclass(scheduler, diffusers.SchedulerMixin)):
        raise UserError(f"{folder} names a scheduler {name!r} which diffusers lacks: update diffusers.")
    return _loaded(scheduler.from_pretrained, folder, local_files_only=True)
