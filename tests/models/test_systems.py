"""Every registered system builds, gives a finite loss, learns something and samples the right shape."""

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
import torch

from premotor.core.errors import BundleError, SpecMismatch
from premotor.models.batch import SceneTargets
from premotor.models.systems import SYSTEMS, config_for, name_of, restored_config, system_config
from premotor.robots.embodiment import EMBODIMENTS

SIZES = [
    ("act", "published", 51.6), ("act", "nano", 2.53),
    ("diffusion_policy", "published", 263), ("diffusion_policy", "nano", 7.6),
    ("groot", "published", 3144), ("groot", "nano", 5.1), ("groot_n15", "published", 2398), ("groot_n15", "nano", 5.1),
    ("octo", "published", 27), ("octo", "published_base", 92.8), ("octo", "nano", 4.25),
    ("openvla", "published", 7498), ("openvla", "nano", 3.0),
    ("openvla_oft", "published", 7535), ("openvla_oft", "published_aloha", 8091), ("openvla_oft", "nano", 3.55),
    ("palm_e", "published", 3105), ("palm_e", "nano", 5.02),
    ("rt2", "published", 2923), ("rt2", "nano", 2.52),
    ("pi0", "published", 3238), ("pi0", "nano", 3.3), ("pi05", "published", 3353), ("pi05", "nano", 4.0),
    ("pi0_fast", "published", 2923), ("pi0_fast", "nano", 2.66),
    ("smolvla", "published", 403), ("smolvla", "nano", 3.61),
    ("robovlms", "published", 2964), ("robovlms", "nano", 3.03),
]  # fmt: skip


def toy(name: str) -> Any:
    """The small configuration of a system."""
    kind: Any = system_config(name)
    return kind.toy()


@pytest.mark.parametrize("name", SYSTEMS)
def test_builds_learns_and_samples(name: str) -> None:
    torch.manual_seed(0)
    config = toy(name)
    system = config.build()
    inputs, targets = config.fake_inputs(4), config.fake_targets(4)
    optimiser = torch.optim.Adam(system.parameters(), lr=3e-3)
    losses = []
    for _ in range(12):
        torch.manual_seed(0)  # The same noise each time, where there is some.
        loss, parts = system.loss(inputs, targets)
        assert torch.isfinite(loss)
        assert all(value == value for value in parts.values())
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]
    assert system.eval().sample(inputs).shape == (4, config.horizon, targets.actions.shape[-1])


@pytest.mark.parametrize("more", [-1, 1])
@pytest.mark.parametrize("name", SYSTEMS)
def test_a_chunk_of_another_length_is_refused(name: str, more: int) -> None:
    config, rows = toy(name), len(toy(name).taught)
    targets = config.fake_targets(2)
    picked = torch.arange(rows + more).clamp(max=rows - 1)
    longer = {key: getattr(targets, key).index_select(-2, picked) for key in ("actions", "weight")}
    with pytest.raises(SpecMismatch, match=f"chunks of {rows + more} rows .* is taught {rows};"):
        config.build().loss(config.fake_inputs(2), dataclasses.replace(targets, **longer))


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_parameter_gets_a_gradient(name: str) -> None:
    config = toy(name)
    system = config.build()
    loss, _ = system.loss(config.fake_inputs(6), config.fake_targets(6))
    loss.backward()
    idle = [key for key, p in system.named_parameters() if p.requires_grad and p.grad is None]
    assert idle == []


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_config_survives_json(name: str) -> None:
    config = toy(name)
    assert restored_config(name, json.loads(json.dumps(dataclasses.asdict(config)))) == config


@pytest.mark.parametrize(("name", "preset", "millions"), SIZES)
def test_sizes_are_as_stated(name: str, preset: str, millions: float) -> None:
    config = getattr(system_config(name), preset)()
    with torch.device("meta"):
        system = config.build()
    assert sum(p.numel() for p in system.parameters()) / 1e6 == pytest.approx(millions, rel=0.01)


def test_actions_are_the_rows_own_robots() -> None:
    config = toy("premotor")
    system, inputs = config.build().eval(), config.fake_inputs(3)
    with torch.no_grad():
        every = system(inputs).features
        head = system.head(every).view(3, 4, 2, 7)
        for row, robot in enumerate(inputs.embodiment):
            assert torch.equal(system(inputs).actions[row], head[row, :, robot])


def test_words_beyond_the_mask_do_not_matter() -> None:
    config = toy("premotor")
    system, inputs = config.build().eval(), config.fake_inputs(2)
    inputs.words_mask[:, 7:] = False
    before = system.sample(inputs)
    inputs.words[:, 7:] = 100.0
    assert torch.allclose(before, system.sample(inputs), atol=1e-6)


def test_an_unknown_system_is_named() -> None:
    with pytest.raises(BundleError, match=r"'pi9'.*premotor"):
        system_config("pi9")


@pytest.mark.parametrize("name", SYSTEMS)
def test_is_made_for_the_robots_at_hand(name: str) -> None:
    specs = [arm.spec for arm in EMBODIMENTS.values()]
    config = config_for(name, specs)
    inputs, targets = config.fake_inputs(2), config.fake_targets(2)
    assert list(inputs.images) == ["front", "wrist"]
    assert targets.actions.shape == (2, len(config.taught), 7)
    assert config.taught.start <= 0 < config.horizon <= config.taught.stop
    assert isinstance(targets, SceneTargets) == config.grounded
    assert (inputs.state.ndim == 3) == (len(config.ages) > 1) or inputs.state.shape[1] == 1
    assert name_of(config) == name


@pytest.mark.parametrize(
    "name",
    ["groot", "groot_n15", "openvla", "openvla_oft", "palm_e", "pi0", "pi05", "pi0_fast", "robovlms", "rt2", "smolvla"],
)
def test_what_a_recipe_cannot_give_is_refused(name: str) -> None:
    with pytest.raises(SpecMismatch, match=rf"{name} at 'published' reads ids of its own tokenizer.*'nano'"):
        config_for(name, [EMBODIMENTS["panda"].spec], "published")
    with pytest.raises(SpecMismatch, match="reads text features 100 wide"):
        config_for(name, [EMBODIMENTS["panda"].spec], text_width=100)


def test_an_unknown_preset_is_answered_with_those_there_are() -> None:
    with pytest.raises(SpecMismatch, match=r"octo has no preset 'huge'.*nano, published, published_base, toy"):
        config_for("octo", [EMBODIMENTS["panda"].spec], "huge")


def test_robots_with_other_cameras_are_refused() -> None:
    panda, so101 = (EMBODIMENTS[name].spec for name in ("panda", "so101"))
    with pytest.raises(SpecMismatch, match="the same cameras"):
        config_for("act", [panda, dataclasses.replace(so101, cameras=so101.cameras[:1])])


def test_pi0_fast_can_spell_any_chunk_once_it_is_prepared() -> None:
    config = config_for("pi0_fast", [EMBODIMENTS["panda"].spec])
    rng = np.random.default_rng(0)
    ready = config.prepared(rng.uniform(-1, 1, (50, 12, 7)).astype(np.float32))
    system, targets = ready.build(), ready.fake_targets(3)
    wild = dataclasses.replace(targets, actions=targets.actions * 100)
    loss, _ = system.loss(ready.fake_inputs(3), wild)
    assert torch.isfinite(loss)
