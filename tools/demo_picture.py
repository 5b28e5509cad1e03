"""Make the README's picture: both arms carrying out the demo's instruction with the shipped policy.

python tools/demo_picture.py [--instruction TEXT] [--seeds PANDA SO101] [--out docs/img/demo.png]
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image


def main() -> None:
    """Run the command that a user would run, once an arm, and put the two strips under each other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instruction", default="put the blue cup in the bowl")
    parser.add_argument("--seeds", type=int, nargs=2, default=(1, 1))
    parser.add_argument("--out", type=Path, default=Path("docs/img/demo.png"))
    args = parser.parse_args()
    strips = []
    with tempfile.TemporaryDirectory() as folder:
        for robot, seed in zip(("panda", "so101"), args.seeds, strict=True):
            out = Path(folder) / robot
            run = [sys.executable, "-c", "from premotor.cli import main; raise SystemExit(main())", "run"]
            done = subprocess.run([*run, args.instruction, "--robot", robot, "--seed", str(seed), "--out", str(out)])
            if done.returncode:
                raise SystemExit(f"{robot} did not do it with seed {seed} (exit code {done.returncode})")
            strips.append(Image.open(out / "strip.png").convert("RGB"))
        picture = Image.new(
            "RGB", (max(s.width for s in strips), sum(s.height for s in strips)), strips[0].getpixel((0, 0))
        )
        for index, strip in enumerate(strips):
            picture.paste(strip, (0, sum(s.height for s in strips[:index])))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    picture.quantize(255).save(args.out, optimize=True)


if __name__ == "__main__":
    main()
