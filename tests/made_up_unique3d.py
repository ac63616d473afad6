"""Tiny random models in the very layout of the published ones, written by stock classes only."""

import json

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from safetensors.torch import load_file, save_file
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

UNET = {
    "sample_size": 8, "block_out_channels": (8, 16), "layers_per_block": 1, "norm_num_groups": 4,
    "cross_attention_dim": 12, "attention_head_dim": 2, "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
}  # fmt: skip
PUBLISHED = {
    "_class_name": "UnifieldWrappedUNet", "n_views": 6, "multiview_attn_position": "attn1", "num_modalities": 1,
    "latent_size": 64, "multiview_chain_pose": "parralle", "a_key_of_tomorrow": 3,
}  # fmt: skip
INDEX = {
    "_class_name": "MVDiffusionImagePipeline", "_diffusers_version": "0.27.2", "requires_safety_checker": True,
    "feature_extractor": ["transformers", "CLIPImageProcessor"], "safety_checker": [None, None],
    "image_encoder": ["transformers", "CLIPVisionModelWithProjection"], "scheduler": ["diffusers", "DDIMScheduler"],
    "unet": ["mv_unet", "UnifieldWrappedUNet"], "vae": ["diffusers", "AutoencoderKL"],
}  # fmt: skip
SCHEDULER = {
    "_class_name": "DDIMScheduler", "_diffusers_version": "0.27.2", "beta_start": 0.00085, "beta_end": 0.012,
    "beta_schedule": "scaled_linear", "num_train_timesteps": 1000, "prediction_type": "epsilon", "clip_sample": False,
    "set_alpha_to_one": False, "steps_offset": 1, "timestep_spacing": "leading", "thresholding": False,
    "rescale_betas_zero_snr": False, "skip_prk_steps": True, "trained_betas": None,
}  # fmt: skip


def seeded(make, seed=0):
    """Build a network with parameters drawn from a seed, none of them zero."""
    network = make()
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        scale = 0.6 / max(parameter[0].numel(), 1) ** 0.5 if parameter.ndim > 1 else 0.1
        noise = scale * torch.randn(parameter.shape, generator=generator)
        parameter.data = noise if parameter.ndim > 1 else parameter.data + noise
    return network.eval()


def published_folder(folder, kind="views", seed=0, config=None):
    """Write a model of a kind ("views", "reference", "plain") into `folder` and return it."""
    own = {"views": {"in_channels": 8, "num_class_embeds": 8}, "plain": {"in_channels": 8}, "reference": {}}[
        kind
    ]
    unet = seeded(lambda: UNet2DConditionModel(**UNET, **own), seed)
    unet.save_pretrained(folder / "unet")
    if kind == "reference":
        _add_reference(folder / "unet" / "diffusion_pytorch_model.safetensors", unet, seed)
    path = folder / "unet" / "config.json"
    found = json.loads(path.read_text())
    path.write_text(json.dumps(found | ({} if kind == "plain" else PUBLISHED) | (config or {})))
    seeded(
        lambda: AutoencoderKL(
            block_out_channels=(4, 4, 8, 8), norm_num_groups=2, latent_channels=4, layers_per_block=1,
            down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        ),
        seed + 1,
    ).save_pretrained(folder / "vae")  # fmt: skip
    clip = CLIPVisionConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=28,
        patch_size=14, projection_dim=12,
    )  # fmt: skip
    seeded(lambda: CLIPVisionModelWithProjection(clip), seed + 2).half().save_pretrained(
        folder / "image_encoder"
    )
    CLIPImageProcessor(size={"shortest_edge": 28}, crop_size=28).save_pretrained(folder / "feature_extractor")
    DDIMScheduler().save_pretrained(folder / "scheduler")
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(SCHEDULER))
    (folder / "model_index.json").write_text(json.dumps(INDEX))
    return folder


def _add_reference(path, unet, seed):
    """Add what Unique3D's normal model has besides: a twin UNet, and one attention per self-attention."""
    tensors = load_file(path)
    twin = seeded(lambda: UNet2DConditionModel(**UNET), seed + 9).state_dict()
    tensors |= {f"ref_unet.{name}": value for name, value in twin.items()}
    layers = [(name, layer) for name, layer in unet.named_modules() if name.endswith(".attn1")]
    for index, (name, layer) in enumerate(layers):
        width = layer.to_q.in_features
        look = seeded(
            lambda width=width: Attention(width, heads=8, dim_head=width // 8, bias=True), seed + index
        )
        tensors |= {f"{name}.processor.crosspond_attention.{k}": v for k, v in look.state_dict().items()}
    save_file(tensors, path, metadata={"format": "pt"})


def twin_by_hand(folder):
    """Give (main, twin, looks) as stock networks with the parameters of a "reference" folder."""
    tensors = load_file(folder / "unet" / "diffusion_pytorch_model.safetensors")
    main, twin = UNet2DConditionModel(**UNET).eval(), UNet2DConditionModel(**UNET).eval()
    twin.load_state_dict({k[9:]: v for k, v in tensors.items() if k.startswith("ref_unet.")})
    rest = {k: v for k, v in tensors.items() if not k.startswith("ref_unet.")}
    main.load_state_dict({k: v for k, v in rest.items() if ".processor." not in k})
    looks = {}
    for key, value in rest.items():
        if ".processor." in key:
            layer, _, tail = key.partition(".processor.crosspond_attention.")
            looks.setdefault(layer, {})[tail] = value
    return main, twin, looks
