"""Carry out a sentence in closed loop: a world, a guard, a policy, and the one loop that joins them.

python examples/01_run_a_policy.py "put the blue cup in the bowl"
"""

import sys

from premotor.control.loop import EpisodeRunner, Step, run_episode
from premotor.models import bundle
from premotor.models.policy import BundlePolicy
from premotor.safety.guard import Guard
from premotor.sim.tabletop.sample import scene_for
from premotor.sim.tabletop.world import TabletopWorld

ROBOT = "so101"
instruction = " ".join(sys.argv[1:]) or "put the blue cup in the bowl"
world = TabletopWorld(ROBOT)
world.reset(scene_for(instruction, ROBOT, seed=0))
policy = BundlePolicy(bundle.load(bundle.DEFAULT), ROBOT)


def report(step: Step) -> None:
    """Subscribers hear every control step."""
    if step.observation is not None:
        print(f"{step.stamp_ns / 1e9:5.2f} s  looked and planned; the guard: {type(step.verdict).__name__}")


runner = EpisodeRunner(
    world,
    Guard(world.embodiment),
    policy.spec,
    instruction=instruction,
    replan_every=8,
    max_ticks=world.episode.max_steps,
    done=world.success,
    subscribers=(report,),
)
run_episode(runner, policy)
print(f"{instruction!r}: {'done' if runner.succeeded else 'not achieved'} after {runner.tick / 20:.1f} s")
