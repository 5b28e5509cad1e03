"""Record without end, to be killed: for every line on stdin a child process goes on with the dataset given.

Children are forked, so that twenty of them cost one start of Python. Each says "saved <episode>" after saving.
"""

import os
import sys

import numpy as np

from premotor.core.spec import ActionSpec, CameraSpec, DimSpec, EmbodimentSpec
from premotor.data import DatasetWriter

DIM = DimSpec(name="joint", unit="rad", kind="absolute", low=-3, high=3)
SPEC = EmbodimentSpec(
    name="small",
    cameras=(CameraSpec(name="front", height=32, width=32), CameraSpec(name="wrist", height=32, width=32)),
    state=(DIM,),
    action=ActionSpec(dims=(DIM,), frame="joint", rotation="none", hold="measured_position"),
    rate_hz=20.0,
)
FRAMES = 6


def say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


def record(root: str) -> None:
    with DatasetWriter(root, SPEC, resume=True) as writer:
        while True:
            for step in range(FRAMES):
                images = {c.name: np.full((32, 32, 3), 10 * step, np.uint8) for c in SPEC.cameras}
                writer.add_frame(images, [writer.episodes], [step], f"task {writer.episodes}")
            say(f"saved {writer.save_episode()}")


for _ in sys.stdin:
    child = os.fork()
    if child == 0:
        try:
            record(sys.argv[1])
        except KeyboardInterrupt:
            say("interrupted")
        except Exception as error:  # noqa: BLE001 - the parent fails the test with it
            say(f"failed {error!r}")
        os._exit(1)
    say(f"child {child}")
    os.waitpid(child, 0)
    say("dead")
