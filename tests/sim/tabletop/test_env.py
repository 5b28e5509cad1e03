"""The Gymnasium door."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from premotor.core.errors import WorldError
from premotor.sim.tabletop.env import ENV_ID, TabletopEnv

from .scenes import ARMS, episode


@pytest.mark.parametrize("arm", ARMS)
# Gymnasium recommends actions within -1..1; ours carry their units.
@pytest.mark.filterwarnings("ignore:.*symmetric and normalized.*")
def test_gymnasium_accepts_it(arm: str) -> None:
    env = gymnasium.make(ENV_ID, embodiment=arm, family="pick_up", render_mode="rgb_array")
    check_env(env.unwrapped)
    env.close()


def test_options_choose_the_episode() -> None:
    env = TabletopEnv("so101")
    _, info = env.reset(seed=1, options={"family": "stack", "split": "val", "seed": 7})
    assert (info["family"], info["split"], info["episode_seed"]) == ("stack", "val", 7)
    seen, _ = env.reset(options={"episode": episode("so101")})
    assert seen["task"] == "do it"
    with pytest.raises(WorldError, match="color"):
        env.reset(options={"color": "red"})
    with pytest.raises(WorldError, match="panda"):
        env.reset(options={"embodiment": "panda"})
    env.close()


def test_it_ends_with_success_or_with_time() -> None:
    env = TabletopEnv("panda")
    env.reset(seed=1, options={"episode": episode("panda", "open_drawer", (), "drawer")})
    still = np.zeros(7, np.float32)
    ends = [env.step(still)[1:4] for _ in range(12)]
    assert ends[8] == (0.0, False, False)
    assert ends[9] == (1.0, True, False)
    env.reset(options={"episode": episode("panda", "close_drawer", (), "drawer")})
    ends = [env.step(still)[1:4] for _ in range(100)]
    assert ends[-2] == (0.0, False, False)
    assert ends[-1] == (0.0, False, True)
    env.close()
