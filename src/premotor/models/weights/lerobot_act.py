"""LeRobot's ACT checkpoints."""

import re
from pathlib import Path

from premotor.models.systems.act import Act, ActConfig
from premotor.models.weights.lerobot import Backbone, Checkpoint, backbone, block_name, read
from premotor.models.weights.table import Entry, fill

__all__ = ["load", "published_name"]

_STEM, _STAGES = ("conv1", "bn1"), ("layer1", "layer2", "layer3", "layer4")
_TOKENS = {"style": "latent", "state": "robot_state", "environment": "env_state"}
# Ours -> published; the first that matches decides.
_NAMES = (
    (r"cells\.(.+)", r"encoder_img_feat_input_proj.\1"),
    (r"token_places\.(.+)", r"encoder_1d_feature_pos_embed.\1"),
    (r"rows\.(.+)", r"decoder_pos_embed.\1"),
    (r"out\.(.+)", r"action_head.\1"),
    (r"style\.places", r"vae_encoder_pos_enc"),
    (r"style\.summary\.(.+)", r"vae_encoder_cls_embed.\1"),
    (r"style\.state\.(.+)", r"vae_encoder_robot_state_input_proj.\1"),
    (r"style\.action\.(.+)", r"vae_encoder_action_input_proj.\1"),
    (r"style\.out\.(.+)", r"vae_encoder_latent_output_proj.\1"),
    (r"style\.body\.(.+)", r"vae_encoder.\1"),
    (r"((?:en|de)coder\..+)", r"\1"),
)
_LAYER = {"own": "self_attn", "memory": "multihead_attn", "up": "linear1", "down": "linear2"}


def load(folder: Path) -> Act:
    """The policy of a checkpoint folder, ready to act. Raises WeightsError unless everything fits."""
    checkpoint = read(folder, "act")
    system = _config(checkpoint).build()
    table = {key: Entry(published_name(key)) for key in system.state_dict()}
    return fill(system, checkpoint.weights, table, str(folder))


def published_name(key: str) -> str:
    """What a checkpoint calls one of our weights."""
    part, _, rest = key.partition(".")
    if part == "eye":
        return f"model.backbone.{block_name(rest, _STEM, _STAGES)}"
    if part == "tokens":
        name, _, leaf = rest.partition(".")
        return f"model.encoder_{_TOKENS[name]}_input_proj.{leaf}"
    name = next(match.expand(theirs) for ours, theirs in _NAMES if (match := re.fullmatch(ours, key)))
    inside = re.fullmatch(r"(.+\.layers\.\d+)\.(\w+)\.(.+)", name)
    if inside is None:
        return f"model.{name}"
    layer, part, leaf = inside.groups()
    if part == "norms":
        index, _, leaf = leaf.partition(".")
        return f"model.{layer}.norm{int(index) + 1}.{leaf}"
    return f"model.{layer}.{_LAYER[part]}.{leaf}"


def _config(checkpoint: Checkpoint) -> ActConfig:
    s, f = checkpoint.settings, checkpoint.features
    plain = Backbone(stem=0, stages=(), blocks=(), bottleneck=False)
    eye = backbone(checkpoint, "model.backbone.", "conv1", _STAGES) if f.cameras else plain
    return ActConfig(
        state_dim=f.state_dim,
        action_dim=f.action_dim,
        environment_dim=f.environment_dim,
        cameras=f.cameras,
        image_size=f.image_size,
        horizon=s["chunk_size"],
        pixel_mean=checkpoint.pixel_mean,
        pixel_std=checkpoint.pixel_std,
        stem=eye.stem,
        stages=eye.stages,
        blocks=eye.blocks,
        bottleneck=eye.bottleneck,
        dilated=bool(s["replace_final_stride_with_dilation"]),
        norm="frozen",
        width=s["dim_model"],
        heads=s["n_heads"],
        hidden=s["dim_feedforward"],
        activation=checkpoint.setting("feedforward_activation", {"relu": "relu", "gelu": "gelu"}),
        pre_norm=s["pre_norm"],
        dropout=s["dropout"],
        encoder_layers=s["n_encoder_layers"],
        decoder_layers=s["n_decoder_layers"],
        style=s["latent_dim"],
        variational=s["use_vae"],
        style_layers=s["n_vae_encoder_layers"],
        style_weight=s["kl_weight"],
    )
