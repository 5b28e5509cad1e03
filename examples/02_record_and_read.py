"""Record the scripted expert as a LeRobot v3 dataset, and read it back.

python examples/02_record_and_read.py outputs/example
"""

import sys
from pathlib import Path

from premotor.cli.record import Record
from premotor.data import Dataset, check

if __name__ == "__main__":  # the recording processes import this file again
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "outputs/example")
    # A verb of the command line is a dataclass of its options.
    Record(robot="so101", families=("open_drawer", "pick_up"), episodes=2, out=folder).main()

    dataset = Dataset(folder)
    print(f"{len(dataset.episodes)} episodes, {len(dataset)} frames at {dataset.fps:g} Hz of {dataset.robot}")
    for row in dataset.episodes:
        episode = dataset.episode(row.index)
        front = episode.images["front"]
        print(
            f"  {episode.task!r}: pictures {front.shape}, states {episode.state.shape}, actions {episode.action.shape}"
        )

    print("findings:", [finding.message for finding in check(folder)] or "none")
