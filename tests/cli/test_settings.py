"""Settings of a named system as they are typed."""

import pytest

from premotor.cli.settings import settings
from premotor.core.errors import SpecMismatch
from premotor.models.systems.robovlms import RoboVlmsConfig
from premotor.recipes import nano


def test_what_is_typed_is_what_is_set() -> None:
    typed = ("history=interleaved", "action=discrete", "window=4", "apart=0.2", "head=")
    changes = settings("robovlms", typed)
    assert changes == {"history": "interleaved", "action": "discrete", "window": 4, "apart": 0.2, "head": ""}
    assert settings("pi0", ("antialias=false",)) == {"antialias": False}
    recipe = nano("robovlms", model=settings("robovlms", typed[:2]))
    assert recipe.name == "nano-robovlms-interleaved-discrete"
    config = recipe.config()
    assert isinstance(config, RoboVlmsConfig)
    assert (config.history, config.action, config.backbone) == ("interleaved", "discrete", "small")


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("histroy=interleaved", r"no setting 'histroy'; did you mean 'history'\? it has backbone, size"),
        ("history=interleave", r"did you mean 'interleaved'\? choose one of one_step, interleaved, policy_head"),
        ("window=two", "window='two' is no number"),
        ("window", "window=VALUE"),
        ("cameras=front", "no setting 'cameras'"),
    ],
)
def test_what_cannot_be_set_is_answered_with_what_can(typed: str, answer: str) -> None:
    with pytest.raises(SpecMismatch, match=answer):
        settings("robovlms", (typed,))
