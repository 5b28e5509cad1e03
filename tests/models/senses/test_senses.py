"""What each sense promises, whatever its weights: order, silence, time and units; and a system that eats them."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from premotor.core.codec import build_codec
from premotor.core.errors import SpecMismatch
from premotor.models.batch import Inputs, Targets
from premotor.models.bundle import Bundle
from premotor.models.contract import System
from premotor.models.language.lexicon import FIRST
from premotor.models.language.words import NoWords
from premotor.models.policy import BundlePolicy
from premotor.models.senses import SENSES, sense
from premotor.models.senses.depth import Depth
from premotor.models.senses.points import Points
from premotor.models.senses.sound import Sound, spectrogram
from premotor.models.senses.touch import Touch
from premotor.models.senses.wrench import Wrench
from premotor.models.systems import config_for
from premotor.models.systems.palm_e import PalmEConfig
from premotor.models.systems.rt2 import Rt2Config
from premotor.robots.embodiment import EMBODIMENTS
from premotor.sim.tabletop.world import TabletopWorld

from ...sim.tabletop.scenes import Hand, episode

ALL = tuple((f"my {kind}", kind) for kind in SENSES)


@pytest.mark.parametrize("kind", SENSES)
def test_each_gives_tokens_of_any_batch(kind: str) -> None:
    torch.manual_seed(0)
    network, felt = sense(kind)(24), sense(kind).fake(3)
    tokens = network(felt)
    assert (tokens.shape[0], tokens.shape[2]) == (3, 24)
    assert torch.allclose(network(felt[1:2]), tokens[1:2], atol=1e-5)
    assert tokens.isfinite().all()


def test_a_cloud_is_the_same_in_any_order_and_with_points_that_are_not_there() -> None:
    torch.manual_seed(0)
    network, cloud = Points(16), Points.fake(2)
    tokens = network(cloud)
    assert torch.allclose(network(cloud[:, torch.randperm(512)]), tokens, atol=1e-6)
    missing = torch.full((2, 100, 3), torch.nan)
    assert torch.allclose(network(torch.cat([missing, cloud], 1)), tokens, atol=1e-6)
    assert not torch.allclose(network(cloud + 0.1), tokens, atol=1e-3)
    assert network(missing).isfinite().all()


def test_depth_is_told_finely_near_and_not_at_all_at_infinity() -> None:
    torch.manual_seed(0)
    network = Depth(16)
    flat, nothing = torch.full((1, 128, 96), 0.5), torch.full((1, 128, 96), torch.inf)
    assert network.patch.bias is not None
    places = network.places + network.patch.bias
    assert torch.allclose(network(nothing)[0], places, atol=1e-6)
    even = network(flat)[0] - network.places
    assert torch.allclose(even, even[:1].expand_as(even), atol=1e-5)
    # What is told is linear in one over the distance.
    near, far = (network(torch.full((1, 64, 64), metres))[0] - places for metres in (0.25, 1.0))
    assert torch.allclose(near, 4 * far, atol=1e-4)
    at_hand = torch.full((1, 64, 64), 0.5)
    at_hand[:, :16, :16] = 0.3
    changed = (network(at_hand) - network(torch.full((1, 64, 64), 0.5)))[0].abs().sum(-1) > 1e-6
    assert changed.tolist() == [True] + [False] * 15


def test_a_wrench_says_nothing_of_what_comes_after() -> None:
    torch.manual_seed(0)
    network, felt = Wrench(16), Wrench.fake(1)
    later = felt.clone()
    later[:, 16:] += 1
    before, after = network(felt), network(later)
    assert before.shape == (1, 2, 16)
    assert torch.equal(before[:, 0], after[:, 0])
    assert not torch.allclose(before[:, 1], after[:, 1], atol=1e-4)
    # A blow does not drown the rest.
    assert bool(network(1000 * felt).abs().max() < 50 * before.abs().max())


def test_who_touches_nothing_says_nothing() -> None:
    torch.manual_seed(0)
    network = Touch(16)
    assert torch.equal(network(torch.zeros(2, 64, 48, 3)), torch.zeros(2, 16, 16))
    pressed = torch.zeros(1, 32, 32, 3)
    pressed[:, 26:30, 26:30] = 1.0
    told = network(pressed)[0].abs().sum(-1)
    assert told[15] > 0
    assert told[0] == 0


@pytest.mark.parametrize("hertz", [300.0, 1000.0, 4000.0])
def test_a_tone_is_heard_at_its_pitch(hertz: float) -> None:
    wave = 0.5 * torch.sin(2 * math.pi * hertz * torch.arange(16000) / 16000)[None]
    heard = spectrogram(wave)
    assert heard.shape == (1, 64, 101)
    top = 2595 * math.log10(1 + 8000 / 700)
    band = 2595 * math.log10(1 + hertz / 700) / top * 65 - 1
    assert abs(float(heard[0, :, 50].argmax()) - band) <= 1
    louder = spectrogram(2 * wave)[0, :, 50].max() - heard[0, :, 50].max()
    assert float(louder) == pytest.approx(math.log(4), abs=1e-4)


def test_silence_is_the_same_at_all_moments_and_no_other_sound_is() -> None:
    torch.manual_seed(0)
    network = Sound(16)
    silent = network(torch.zeros(1, 16000)).view(6, 4, 16)
    assert torch.allclose(silent, silent[:1].expand_as(silent), atol=1e-6)
    late = torch.zeros(1, 16000)
    late[:, 12000:] = 0.1 * torch.randn(4000)
    told = (network(late).view(6, 4, 16) - silent).abs().amax((1, 2))
    assert torch.all(told[:4] < 1e-5)
    assert told[5] > 1e-3


def test_an_unknown_sense_is_refused_with_those_there_are() -> None:
    with pytest.raises(SpecMismatch, match="no sense is called 'smell'; choose one of depth, points, sound"):
        replace(PalmEConfig.toy(), senses=(("nose", "smell"),)).build()
    with pytest.raises(SpecMismatch, match="one name for each thing"):
        replace(PalmEConfig.toy(), senses=(("front", "depth"),)).build()


@pytest.mark.parametrize("kind", [PalmEConfig, Rt2Config])
def test_a_sentence_may_be_of_all_senses(kind: type[PalmEConfig] | type[Rt2Config]) -> None:
    torch.manual_seed(0)
    config = replace(kind.toy(), senses=ALL)
    system, inputs = config.build(), config.fake_inputs(2)
    loss, _ = system.loss(inputs, config.fake_targets(2))
    loss.backward()  # type: ignore[no-untyped-call]
    learned = {name.split(".")[2] for name, w in system.named_parameters() if ".senses." in name and w.grad is not None}
    assert learned == {name for name, _ in ALL}
    # What is not felt is left out, and what is felt is heard.
    system.eval()
    tokens, _ = system.model.tokens(inputs)
    deaf, _ = system.model.tokens(replace(inputs, senses={}))
    assert tokens.shape[1] > deaf.shape[1]


def test_what_cannot_be_given_is_refused() -> None:
    with pytest.raises(SpecMismatch, match=r"palm_e feels wrist depth, which demonstrations here do not hold"):
        config_for("palm_e", [EMBODIMENTS["panda"].spec], "toy", senses=(("wrist depth", "depth"),))


def tabletop(config: PalmEConfig, scenes: int) -> tuple[Inputs, Targets]:
    """A hand over the table, seen in no picture and felt in no joint: only how far away everything is tells where."""
    world, rng = TabletopWorld("panda", depth=True), np.random.default_rng(0)
    felt, wanted = list[Tensor](), torch.zeros(scenes, config.horizon, config.action_dim)
    for row in range(scenes):
        world.reset(episode("panda"))
        y, z = rng.uniform(-0.15, 0.15), rng.uniform(0.12, 0.35)
        Hand(world).go(np.array([0.0, y, z]), 12, 1.0)
        world.observe()
        felt.append(torch.from_numpy(np.stack([world.depths[camera] for camera in config.cameras])))
        wanted[row, :, 0], wanted[row, :, 1] = y / 0.15, (z - 0.235) / 0.115
    world.close()
    fake = config.fake_inputs(scenes)
    inputs = replace(
        fake,
        images={camera: torch.zeros_like(picture) for camera, picture in fake.images.items()},
        state=torch.zeros_like(fake.state),
        words=torch.zeros_like(fake.words),
        senses={f"{c} depth": torch.stack(felt)[:, k] for k, c in enumerate(config.cameras)},
    )
    return inputs, Targets(actions=wanted, weight=torch.ones_like(wanted), said=torch.full((scenes, 1), FIRST))


def test_a_system_learns_from_the_depth_of_the_tabletop() -> None:
    torch.manual_seed(0)
    config = replace(PalmEConfig.toy(), senses=(("front depth", "depth"), ("wrist depth", "depth")))
    system, (inputs, targets) = config.build(), tabletop(config, 6)
    optimiser = torch.optim.Adam(system.parameters(), lr=5e-3)
    before = {name: weight.clone() for name, weight in system.model.senses.state_dict().items()}
    losses = []
    for _ in range(20):
        loss, parts = system.loss(inputs, targets)
        losses.append(parts["loss"])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    assert losses[-1] < 0.5 * losses[0]
    learned = system.model.senses.state_dict()
    assert not any(torch.equal(weight, learned[name]) for name, weight in before.items())
    # What was learned makes the hand's place, which nothing else tells, easy to read off.
    seen = system.model.look(inputs)
    tokens = torch.cat([seen[name][0] for name in inputs.senses], 1).flatten(1).detach()
    places, read = targets.actions[:, 0, :2], nn.Linear(tokens.shape[1], 2)
    reading = torch.optim.Adam(read.parameters(), lr=1e-2)
    for _ in range(200):
        missed = (read(tokens) - places).square().mean()
        reading.zero_grad()
        missed.backward()
        reading.step()
    assert bool(missed < 0.3 * places.var())
    assert bool((read(tokens.roll(1, 0)) - places).square().mean() > 2 * missed)
    with pytest.raises(SpecMismatch, match=r"feels front depth, wrist depth, which observations here do not hold"):
        BundlePolicy(_bundle(system, config), "panda")


def _bundle(system: System, config: PalmEConfig) -> Bundle:
    spec = EMBODIMENTS["panda"].spec
    states, actions = np.zeros((2, len(spec.state))), np.zeros((2, 1, len(spec.action.dims)))
    codec = build_codec(spec, actions, states)
    return Bundle(system=system, config=config, codecs={"panda": codec}, words=NoWords(), lineage={}, digest="")
