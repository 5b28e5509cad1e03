"""The tool that makes the thesaurus, on a dictionary of a few words in WordNet's own format."""

import dataclasses
from pathlib import Path

import pytest

import thesaurus
from premotor.sim.tabletop.training_words import TRAINING

SENSES = {  # sense: what it is a kind of, and the nouns
    "1": ("", ["entity"]),
    "2": ("1", ["vessel"]),
    "3": ("2", ["cup", "beaker", "chalice"]),
    "4": ("3", ["goblet"]),
    "5": ("2", ["bottle", "vial", "jug"]),
    "6": ("1", ["ball", "marble", "bouncer"]),
    "7": ("6", ["boule"]),
    "8": ("1", ["justice"]),
}


@pytest.fixture
def net(tmp_path: Path) -> thesaurus.WordNet:
    data, index = ["  a licence"], ["  a licence"]
    for sense, (above, nouns) in SENSES.items():
        pointer = f"001 @ {above} n 0000" if above else "000"
        names = " ".join(f"{noun} 0" for noun in nouns)
        data.append(f"{sense} 06 n {len(nouns):02x} {names} {pointer} | what it is")
        index += [f"{noun} n 1 1 @ 1 0 {sense}" for noun in nouns]
    (tmp_path / "data.noun").write_text("\n".join(data))
    (tmp_path / "index.noun").write_text("\n".join(index))
    return thesaurus.WordNet(tmp_path)


def test_a_noun_is_as_near_as_what_is_above_both_says(net: thesaurus.WordNet) -> None:
    assert net.chain("4") == {"4", "3", "2", "1"}
    assert net.near("4", "4") == pytest.approx(1)
    assert net.near("4", "3") > net.near("4", "5") > net.near("4", "6") == pytest.approx(0)


def test_what_is_near_and_clear_is_listed(net: thesaurus.WordNet) -> None:
    made = thesaurus.table(net, TRAINING)
    assert made["nouns"]["goblet"] == "cup"
    assert made["nouns"]["boule"] == "ball"
    assert made["nouns"]["beaker"] == "beaker"
    assert not {"justice", "entity"} & made["nouns"].keys()
    assert "red" in made["adjectives"]
    assert "lift" in made["stop"]


def test_the_check_does_not_ask_about_what_it_knows(net: thesaurus.WordNet) -> None:
    kept = {"cup": ("cup", "beaker", "chalice"), "ball": ("ball", "marble", "bouncer")}
    nouns = {kind: kept.get(kind, (kind,)) for kind in TRAINING.nouns}
    few = dataclasses.replace(TRAINING, nouns=nouns, drawers=("drawer",), things=(("object", "objects"),))
    right, sure, asked = thesaurus.checked(net, few)
    assert (right, sure, asked) == (4, 4, 4)
