"""LeRobot's Diffusion Policy checkpoints."""

from pathlib import Path

from premotor.models.systems.diffusion_policy import DiffusionPolicy, DiffusionPolicyConfig
from premotor.models.weights.lerobot import Backbone, Checkpoint, backbone, block_name, read
from premotor.models.weights.table import Entry, fill

__all__ = ["load", "published_name"]

# The published image network is a list: convolution, norm, activation, pooling, four stages.
_STEM, _STAGES = ("0", "1"), ("4", "5", "6", "7")
_BLOCK = {"first": "conv1.block", "film": "cond_encoder", "second": "conv2.block", "shortcut": "residual_conv"}
_LEVEL = {"first": "0", "second": "1", "leave": "2"}
_EYE = {"places.maps": "pool.nets", "places.grid": "pool.pos_grid", "out": "out"}
_BETAS = {"squaredcos_cap_v2": "cosine", "linear": "linear", "scaled_linear": "scaled_linear"}


def load(folder: Path) -> DiffusionPolicy:
    """The policy of a checkpoint folder, ready to act. Raises WeightsError unless everything fits."""
    checkpoint = read(folder, "diffusion")
    config = _config(checkpoint)
    system = config.build()
    table = {key: Entry(published_name(key, config)) for key in system.state_dict()}
    return fill(system, checkpoint.weights, table, str(folder))


def published_name(key: str, config: DiffusionPolicyConfig) -> str:
    """What a checkpoint calls one of our weights."""
    if key.startswith("unet."):
        return f"diffusion.unet.{_unet_name(key.removeprefix('unet.'))}"
    _, camera, rest = key.split(".", 2)
    eye = "diffusion.rgb_encoder" if config.shared_eye else f"diffusion.rgb_encoder.{camera}"
    if rest.startswith("backbone."):
        return f"{eye}.backbone.{block_name(rest.removeprefix('backbone.'), _STEM, _STAGES)}"
    ours = next(name for name in _EYE if rest.startswith(name))
    return f"{eye}.{_EYE[ours]}{rest.removeprefix(ours)}"


def _unet_name(key: str) -> str:
    part, index, *rest = key.split(".")
    if part == "time":
        return ".".join(["diffusion_step_encoder", str(int(index) + 1), *rest])
    if part == "out":
        return ".".join(["final_conv", index, "block", *rest] if index == "0" else ["final_conv", index, *rest])
    if part == "middle":
        return ".".join(["mid_modules", index, _BLOCK[rest[0]], *rest[1:]])
    level, *inside = rest
    if level != "leave":
        inside = [_BLOCK[inside[0]], *inside[1:]]
    return ".".join([f"{part}_modules", index, _LEVEL[level], *inside])


def _config(checkpoint: Checkpoint) -> DiffusionPolicyConfig:
    s, f = checkpoint.settings, checkpoint.features
    shared = not s["use_separate_rgb_encoder_per_camera"]
    prefix = "diffusion.rgb_encoder.backbone." if shared else "diffusion.rgb_encoder.0.backbone."
    plain = Backbone(stem=0, stages=(), blocks=(), bottleneck=False)
    eye = backbone(checkpoint, prefix, "0", _STAGES) if f.cameras else plain
    return DiffusionPolicyConfig(
        state_dim=f.state_dim,
        action_dim=f.action_dim,
        environment_dim=f.environment_dim,
        cameras=f.cameras,
        image_size=f.image_size,
        resize=tuple(s.get("resize_shape") or ()),
        crop=tuple(s["crop_shape"] or ()),
        random_crop=s["crop_is_random"],
        pixel_mean=checkpoint.pixel_mean,
        pixel_std=checkpoint.pixel_std,
        history=s["n_obs_steps"],
        predicted=s["horizon"],
        horizon=s["n_action_steps"],
        shared_eye=shared,
        stem=eye.stem,
        stages=eye.stages,
        blocks=eye.blocks,
        bottleneck=eye.bottleneck,
        norm="group" if s["use_group_norm"] else "batch",
        keypoints=s["spatial_softmax_num_keypoints"],
        widths=tuple(s["down_dims"]),
        kernel=s["kernel_size"],
        groups=s["n_groups"],
        step_code=s["diffusion_step_embed_dim"],
        film_scale=s["use_film_scale_modulation"],
        noise_steps=s["num_train_timesteps"],
        betas=checkpoint.setting("beta_schedule", _BETAS),
        first_beta=s["beta_start"],
        last_beta=s["beta_end"],
        prediction=checkpoint.setting("prediction_type", {"epsilon": "noise", "sample": "sample"}),
        clip=s["clip_sample_range"] if s["clip_sample"] else 0.0,
        sampler=checkpoint.setting("noise_scheduler_type", {"DDPM": "ddpm", "DDIM": "ddim"}),
        sampling_steps=s["num_inference_steps"] or s["num_train_timesteps"],
        masked=s["do_mask_loss_for_padding"],
    )
