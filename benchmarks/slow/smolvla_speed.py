"""SmolVLA here and in LeRobot, with the same random weights: time of one chunk and of one training step, as a ratio.

    python benchmarks/slow/smolvla_speed.py [--lerobot .venv-lerobot/bin/python] [--size published] [--rounds 7]

Both run by turns, on one core each, and what is counted is CPU time, so the ratio survives a busy machine. Before
anything is timed, both must give the same actions. Where the processor multiplies bfloat16 itself, ours is timed in
that, too, beside LeRobot in float32, with how far its actions are away. LeRobot wants another torch than ours and has
an environment of its own (`make check-lerobot` installs it); without one, this says so and measures nothing.
"""

import argparse
import copy
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from safetensors.torch import save_file

MARK = "timed: "
WORDS = 48
SIZES = ("toy", "published")


def main() -> None:
    """Measure both and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("results/smolvla_speed.json"))
    parser.add_argument("--lerobot", type=Path, default=Path(".venv-lerobot/bin/python"))
    parser.add_argument("--size", choices=SIZES, default="published")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch", type=int, default=4, help="of training")
    args = parser.parse_args()
    if not args.lerobot.exists():
        parser.error(f"{args.lerobot} is missing; `make check-lerobot` installs LeRobot there")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        report = compare(Path(folder), args)
    args.out.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report["summary"], indent=1))


def compare(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Run both by turns; raises RuntimeError when they do not give the same actions."""
    from premotor.evaluation.machine import machine, revision

    ours = here(folder, args.size, args.batch)
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": f"{folder}/hf", "OMP_NUM_THREADS": "1", "PYTHONPATH": ""}
    command = [str(args.lerobot), __file__, "inside", str(folder)]
    with subprocess.Popen(
        command, env=os.environ | offline, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as peer:

        def theirs(what: str) -> float:
            if peer.stdin is None or peer.stdout is None:
                raise RuntimeError("LeRobot's process has no pipes")
            peer.stdin.write(f"{what}\n")
            peer.stdin.flush()
            for line in peer.stdout:
                if line.startswith(MARK):
                    return float(line.removeprefix(MARK))
            raise RuntimeError(f"LeRobot's process ended with {peer.wait()}; see what it said above")

        gap = 0.0
        times: dict[str, list[tuple[float, float]]] = {"act": [], "learn": []}
        brief = list[float]()
        for what, found in times.items():
            # The first of each is to warm up, and of the first of all the actions are compared.
            for count in range(args.rounds + 1):
                pair = (ours[what](), theirs(what))
                if what == "act" and count == 0:
                    gap = float(np.abs(np.load(folder / "here.npy") - np.load(folder / "there.npy")).max())
                    if not gap < 1e-3:
                        raise RuntimeError(f"actions differ by {gap}; these are not the same policies")
                found.extend([pair] if count else [])
                if what == "act" and "brief" in ours:
                    brief.extend([ours["brief"]()][: min(count, 1)])
        if peer.stdin is not None:
            peer.stdin.close()
    # Columns: here, LeRobot.
    rows = {what: np.array(found) for what, found in times.items()}
    narrow = {}
    if brief:
        # Of the same rounds, so that both are measured under one load.
        away = float(np.abs(np.load(folder / "brief.npy") - np.load(folder / "here.npy")).max())
        ratio = float(np.median(rows["act"][:, 1] / np.array(brief)))
        narrow = {"cpu_seconds": round(float(np.median(brief)), 4), "lerobot_to_ours": round(ratio, 2), "away": away}
    named = {"act": "one chunk, batch 1", "learn": f"one training step, batch {args.batch}, VLM frozen"}
    return {
        "command": "python benchmarks/slow/smolvla_speed.py",
        "revision": revision(),
        "machine": machine(),
        "size": args.size,
        "largest_difference_of_actions": gap,
        "bfloat16": narrow or "this processor does not multiply it itself",
        "cpu_seconds": {what: np.median(found, 0).round(4).tolist() for what, found in rows.items()},
        "summary": [
            {
                "figure": f"SmolVLA ({args.size}), {named[what]}: LeRobot's time to ours, one core",
                "value": round(float(np.median(found[:, 1] / found[:, 0])), 2),
                "unit": "times",
                "n": args.rounds,
            }
            for what, found in rows.items()
        ],
    }


def here(folder: Path, size: str, batch: int) -> dict[str, Callable[[], float]]:
    """Our policy, ready to be timed; its weights, settings and inputs are written for the other."""
    from premotor.models.batch import Inputs, Targets
    from premotor.models.systems.smolvla import SmolVlaConfig
    from premotor.models.weights.smolvla import load_lerobot
    from premotor.training.learn import bfloat16_is_faster

    torch.manual_seed(0)
    # LeRobot rounds the width of the expert's MLP up to 256.
    toy = replace(SmolVlaConfig.toy(), expert_mlp=256, frozen="vlm")
    config = toy if size == "toy" else SmolVlaConfig.published()
    publish(config, folder)
    policy = load_lerobot(folder, heads=config.heads, vision_heads=config.vision_heads)
    given = dict(np.load(folder / "given.npz"))

    def inputs(rows: int) -> Inputs:
        return Inputs(
            images={name: torch.from_numpy(given[name]).repeat(rows, 1, 1, 1) for name in config.cameras},
            words=torch.from_numpy(given["words"]).repeat(rows, 1),
            words_mask=torch.ones(rows, WORDS, dtype=torch.bool),
            state=torch.from_numpy(given["state"]).repeat(rows, 1),
            embodiment=torch.zeros(rows, dtype=torch.long),
        )

    one, many = inputs(1), inputs(batch)
    actions = torch.from_numpy(given["actions"]).repeat(batch, 1, 1)
    np.save(folder / "batch.npy", np.array(batch))
    targets = Targets(actions=actions, weight=torch.ones_like(actions))
    taught = [weight for weight in policy.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(taught, lr=1e-5)
    noise = torch.from_numpy(given["noise"])

    def act() -> None:
        policy.eval()
        with torch.no_grad():
            prefix = policy.read(one)
            found = policy.flow.walk(noise, lambda x, time: policy.velocity(prefix, x, time))
        np.save(folder / "here.npy", found[..., : config.action_dim].numpy())

    def learn() -> None:
        policy.train()
        policy.loss(many, targets)[0].backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        optimiser.zero_grad()

    calls = {"act": lambda: timed(act), "learn": lambda: timed(learn)}
    if not bfloat16_is_faster():
        return calls
    narrow = copy.deepcopy(policy).bfloat16().eval()

    def brief() -> None:
        with torch.no_grad():
            prefix = narrow.read(one)
            found = narrow.flow.walk(noise, lambda x, time: narrow.velocity(prefix, x, time))
        np.save(folder / "brief.npy", found[..., : config.action_dim].float().numpy())

    return calls | {"brief": lambda: timed(brief)}


def publish(config: Any, folder: Path) -> None:
    """A LeRobot folder with random weights of this size, and inputs for both."""
    from premotor.models.weights.smolvla import smolvla_table

    state, table = config.build().state_dict(), smolvla_table(config)
    weights = {table[key].theirs: weight.contiguous() for key, weight in state.items()}
    weights["model.vlm_with_expert.vlm.lm_head.weight"] = torch.zeros(config.vocabulary, config.width)
    save_file(weights, folder / "model.safetensors")
    side = config.image_size
    picture = {"type": "VISUAL", "shape": [3, side, side]}
    settings = {
        "type": "smolvla",
        "device": "cpu",
        "input_features": {f"observation.images.{name}": picture for name in config.cameras}
        | {"observation.state": {"type": "STATE", "shape": [config.state_dim]}},
        "output_features": {"action": {"type": "ACTION", "shape": [config.action_dim]}},
        "chunk_size": config.horizon,
        "n_action_steps": config.horizon,
        "max_state_dim": config.state_room,
        "max_action_dim": config.action_room,
        "normalization_mapping": {"VISUAL": "IDENTITY", "STATE": "MEAN_STD", "ACTION": "MEAN_STD"},
        "resize_imgs_with_padding": [side, side],
        "adapt_to_pi_aloha": False,
        "add_image_special_tokens": False,
        "num_steps": config.steps,
        "vlm_model_name": str(folder / "vlm"),
        "freeze_vision_encoder": True,
        "train_expert_only": True,
        "attention_mode": "cross_attn",
        "self_attn_every_n_layers": config.joint_every,
        "num_vlm_layers": config.layers,
        "expert_width_multiplier": config.expert_width / config.width,
        "min_period": config.shortest,
        "max_period": config.longest,
    }
    (folder / "config.json").write_text(json.dumps(settings))
    (folder / "sizes.json").write_text(json.dumps(asdict(config)))
    rng = np.random.default_rng(0)
    given: dict[str, Any] = {name: rng.integers(0, 256, (1, side, side, 3), dtype=np.uint8) for name in config.cameras}
    given |= {
        "state": rng.normal(size=(1, config.state_dim)).astype(np.float32),
        "words": rng.integers(0, config.vocabulary, (1, WORDS)),
        "actions": rng.normal(size=(1, config.horizon, config.action_dim)).astype(np.float32),
        "noise": rng.normal(size=(1, config.horizon, config.action_room)).astype(np.float32),
    }
    np.savez(folder / "given.npz", **given)


def timed(call: Callable[[], None]) -> float:
    """CPU seconds of one call."""
    begin = time.process_time()
    call()
    return time.process_time() - begin


def inside(folder: Path) -> None:
    """In LeRobot's environment: do what stands on each line that comes, and say how long it took."""
    from lerobot.policies.smolvla.modeling_smolvla import SmolVLAPolicy

    torch.set_num_threads(1)
    imitate_vlm(folder)
    policy = SmolVLAPolicy.from_pretrained(folder)
    given = {key: torch.from_numpy(value) for key, value in np.load(folder / "given.npz").items()}
    batch = int(np.load(folder / "batch.npy"))
    cameras = [key.removeprefix("observation.images.") for key in policy.config.image_features]

    def seen(rows: int) -> dict[str, Any]:
        pictures = {f"observation.images.{name}": given[name].movedim(3, 1).float() / 255 for name in cameras}
        told = {"observation.language.tokens": given["words"], "observation.state": given["state"]}
        repeated = {key: torch.cat([value] * rows) for key, value in (pictures | told).items()}
        return repeated | {"observation.language.attention_mask": torch.ones(rows, WORDS, dtype=torch.bool)}

    many = seen(batch) | {"action": torch.cat([given["actions"]] * batch)}
    taught = [weight for weight in policy.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(taught, lr=1e-5)

    def act() -> None:
        found = policy.predict_action_chunk(seen(1), noise=given["noise"])
        np.save(folder / "there.npy", found.numpy())

    def learn() -> None:
        policy.train()
        policy.forward(many)[0].backward()
        optimiser.step()
        optimiser.zero_grad()

    calls = {"act": act, "learn": learn}
    for line in sys.stdin:
        print(f"{MARK}{timed(calls[line.strip()])}", flush=True)


def imitate_vlm(folder: Path) -> None:
    """What LeRobot asks the hub for: settings and a tokenizer, which is not used, of SmolVLM2 at this size."""
    from tokenizers import Tokenizer, models
    from transformers import (
        PreTrainedTokenizerFast,
        SmolVLMConfig,
        SmolVLMImageProcessor,
        SmolVLMProcessor,
        SmolVLMVideoProcessor,
    )

    sizes = json.loads((folder / "sizes.json").read_text())
    special = {
        "image_token": "<image>",
        "fake_image_token": "<fake>",
        "global_image_token": "<global>",
        "end_of_utterance_token": "<end>",
    }
    words = Tokenizer(models.WordLevel({word: index for index, word in enumerate(("<pad>", *special.values()))}))
    side = {"longest_edge": sizes["image_size"]}
    SmolVLMProcessor(
        image_processor=SmolVLMImageProcessor(size=side, max_image_size=side),
        video_processor=SmolVLMVideoProcessor(size=side, max_image_size=side),
        tokenizer=PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", extra_special_tokens=special),
        image_seq_len=1,
    ).save_pretrained(folder / "vlm")
    text = {
        "model_type": "llama",
        "hidden_size": sizes["width"],
        "intermediate_size": sizes["mlp"],
        "num_hidden_layers": sizes["layers"],
        "num_attention_heads": sizes["heads"],
        "num_key_value_heads": sizes["kv_heads"],
        "head_dim": sizes["head_width"],
        "vocab_size": sizes["vocabulary"],
        "rms_norm_eps": 1e-5,
    }
    vision = {
        "hidden_size": sizes["vision_width"],
        "intermediate_size": sizes["vision_mlp"],
        "num_hidden_layers": sizes["vision_layers"],
        "num_attention_heads": sizes["vision_heads"],
        "image_size": sizes["image_size"],
        "patch_size": sizes["patch"],
    }
    settings = SmolVLMConfig(text_config=text, vision_config=vision, scale_factor=sizes["shuffle"])
    settings.save_pretrained(folder / "vlm")


if __name__ == "__main__":
    if sys.argv[1:2] == ["inside"]:
        inside(Path(sys.argv[2]))
    else:
        main()
