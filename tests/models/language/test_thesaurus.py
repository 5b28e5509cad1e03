"""Nouns that a policy has not learned are restated; everything it was trained to hear stays as it was."""

import json
from pathlib import Path

import pytest
import torch

from premotor.core.errors import BundleError
from premotor.models import bundle
from premotor.models.language.minilm import TextEncoder
from premotor.models.language.thesaurus import Thesaurus
from premotor.models.language.words import WordsConfig
from premotor.sim.tabletop.episode import FAMILIES, Family
from premotor.sim.tabletop.sample import sample
from premotor.sim.tabletop.training_words import TRAINING
from premotor.sim.tabletop.vocabulary import THESAURUS


@pytest.fixture(scope="module")
def thesaurus() -> Thesaurus:
    return Thesaurus.load(THESAURUS)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_was_learned_is_left_alone(thesaurus: Thesaurus, family: Family) -> None:
    said = {sample("panda", family, "train", seed).instruction for seed in range(200)}
    assert {text: thesaurus.restated(text) for text in said} == {text: text for text in said}


def test_nouns_are_restated_by_nouns_that_were_learned(thesaurus: Thesaurus) -> None:
    learned = {noun for nouns in TRAINING.nouns.values() for noun in nouns} | set(TRAINING.drawers)
    learned |= {one for one, _ in TRAINING.things}
    assert all(thesaurus.nouns[noun] == noun for noun in learned)
    assert set(thesaurus.nouns.values()) == learned
    assert len(thesaurus.nouns) > 2 * len(learned)
    assert not set(thesaurus.nouns) & (thesaurus.stop | thesaurus.adjectives | thesaurus.determiners)


@pytest.mark.parametrize(
    ("said", "restated"),
    [
        ("hoist the purple goblet", "hoist the purple cup"),
        ("Hoist the Purple Goblet!", "hoist the purple cup!"),
        ("gather all red goblets into the carton", "gather all red cups into the bin"),
        # What stands between the article and the noun need not be known.
        ("put the rickety old goblet away", "put the rickety old cup away"),
        ("the beer mug goes on the plate", "the cup goes on the plate"),
        ("lift the itty bitty king sized goblet", "lift the itty bitty king sized cup"),
        # The last noun of a phrase is what it is about.
        ("lift the goblet block", "lift the goblet block"),
        ("lift the goblet, block the drawer", "lift the cup, block the drawer"),
        # Outside of a phrase a word may be a verb.
        ("carton the goblet", "carton the cup"),
        ("move the zorblax to the cups", "move the zorblax to the cups"),
        # What may be anything is left as it is.
        ("put the equipment on the chair", "put the equipment on the chair"),
        ("", ""),
    ],
)
def test_only_nouns_in_their_place(thesaurus: Thesaurus, said: str, restated: str) -> None:
    assert thesaurus.restated(said) == restated
    assert thesaurus.restated(restated) == restated


def test_a_bundle_hears_the_restated_sentence(thesaurus: Thesaurus, tmp_path: Path) -> None:
    for path in (bundle.DEFAULT / "text.safetensors", bundle.DEFAULT / "tokenizer.json", THESAURUS):
        (tmp_path / path.name).symlink_to(path)
    words, states = WordsConfig(restated=True).build(tmp_path), torch.zeros(1, 6)
    plain = TextEncoder(bundle.DEFAULT)
    assert torch.equal(words.batch(["grip the goblet"], states)[0], plain.batch(["grip the cup"])[0])
    assert not torch.equal(words.batch(["grip the goblet"], states)[0], plain.batch(["grip the goblet"])[0])


def test_the_shipped_policy_has_it() -> None:
    assert (bundle.DEFAULT / THESAURUS.name).read_bytes() == THESAURUS.read_bytes()
    assert bundle.verify(bundle.DEFAULT)["words"]["restated"]


def test_damage_is_named(tmp_path: Path) -> None:
    path = tmp_path / "thesaurus.json"
    path.write_text(json.dumps({"nouns": {}}))
    with pytest.raises(BundleError, match=r"is no thesaurus .*determiners.*; restore the bundle"):
        Thesaurus.load(path)
    with pytest.raises(BundleError, match="'t5' cannot be restated"):
        WordsConfig(kind="t5", restated=True)
