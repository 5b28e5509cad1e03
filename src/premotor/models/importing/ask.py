"""What a reader of checkpoints is asked, and what it answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from torch import Tensor

from premotor.core.codec import Codec
from premotor.core.errors import SpecMismatch, WeightsError
from premotor.core.spec import EmbodimentSpec
from premotor.models.contract import System, SystemConfig
from premotor.models.language.words import WordsConfig

__all__ = ["NOTHING", "Ask", "Reading", "near"]

NOTHING = "none"
"""What a camera is called that the robot does not have."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """A folder, and what its files may not tell.

    robot: which one the policy shall drive. stats: which statistics, where there are several, or a LeRobot dataset to
    take them from. cameras: the checkpoint's name -> the robot's, or NOTHING. tell: facts by name. tokenizer: its file.
    online: missing tokenizers may be fetched.
    """

    folder: Path
    robot: EmbodimentSpec
    stats: str = ""
    cameras: Mapping[str, str] = field(default_factory=dict)
    tell: Mapping[str, str] = field(default_factory=dict)
    tokenizer: Path | None = None
    online: bool = False

    def facts(self, needed: Mapping[str, str], known: Sequence[str] = ()) -> dict[str, str]:
        """What was told. needed: name -> what it is, of facts without which there is no reading; known: of others.

        Raises WeightsError that lists what is lacking, or was told and means nothing here.
        """
        lacking = [f"  {name}: {what}" for name, what in needed.items() if name not in self.tell]
        if lacking:
            given = " ".join(f"{name}=..." for name in needed if name not in self.tell)
            raise WeightsError(
                f"{self.folder} does not tell everything; say it with --tell {given}\n" + "\n".join(lacking)
            )
        options = (*needed, *known)
        for name in self.tell:
            if name not in options:
                raise WeightsError(
                    f"--tell {name}: this checkpoint needs no such fact{near(name, options)}; "
                    f"it may be told: {', '.join(options) or 'nothing'}"
                )
        return dict(self.tell)

    def sizes(self, facts: Mapping[str, str], *names: str) -> dict[str, int]:
        """Those facts that are whole numbers; raises WeightsError for what is none."""
        found = {}
        for name in names:
            if name in facts:
                if not facts[name].isdigit():
                    raise WeightsError(f"--tell {name}={facts[name]}: a whole number is wanted")
                found[name] = int(facts[name])
        return found

    def choice(self, facts: Mapping[str, str], name: str, options: Sequence[str]) -> str:
        """That fact; raises WeightsError unless it is one of the options."""
        if facts[name] not in options:
            raise WeightsError(f"--tell {name}={facts[name]}: choose one of {', '.join(options)}")
        return facts[name]

    def shown(
        self, theirs: Sequence[str], sizes: Mapping[str, tuple[int, int]] | None = None, *, spare: bool = False
    ) -> dict[str, str]:
        """The checkpoint's cameras -> the robot's, in the checkpoint's order; NOTHING only where cameras are spare.

        sizes: (height, width) that pictures must have, where the system does not fit them itself.
        Raises SpecMismatch that lists both sides.
        """
        ours = {camera.name: (camera.height, camera.width) for camera in self.robot.cameras}
        unknown = [name for name in self.cameras if name not in theirs]
        found = {name: self.cameras.get(name, name) for name in theirs}
        wrong = [name for name in found.values() if name not in ours and not (spare and name == NOTHING)]
        used = [name for name in found.values() if name != NOTHING]
        if unknown or wrong or len(set(used)) != len(used) or (theirs and not used):
            without = f", or {theirs[-1]}={NOTHING} for one that the robot lacks" if spare and theirs else ""
            raise SpecMismatch(
                f"the checkpoint sees {', '.join(theirs) or 'nothing'}; {self.robot.name!r} has {', '.join(ours)}. "
                f"Say which is which, each once: --cameras {theirs[0] if theirs else 'THEIRS'}="
                f"{next(iter(ours), 'OURS')} ...{without}"
            )
        for name, size in (sizes or {}).items():
            if found[name] != NOTHING and ours[found[name]] != size:
                raise SpecMismatch(
                    f"the checkpoint was made for pictures of {size[0]} x {size[1]} (height x width) from {name!r}; "
                    f"{self.robot.name!r} gives {ours[found[name]][0]} x {ours[found[name]][1]} from {found[name]!r}"
                )
        return found

    def fits(self, state: int | None, action: int) -> None:
        """Raise SpecMismatch unless the robot has so many numbers of state (any, if None) and of action."""
        has = len(self.robot.state), len(self.robot.action.dims)
        if has[1] != action or state not in (None, has[0]):
            wants = f"{'any' if state is None else state} of state and {action} of action"
            raise SpecMismatch(
                f"the checkpoint is for a robot with {wants}; {self.robot.name!r} has {has[0]} and {has[1]}. Give the "
                "robot that it was trained for: --robot FILE, a JSON file of its spec (docs/import.md)"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """A checkpoint as read: the system, what to build it from, the robot's codec, and how it is told what to do.

    vocabulary: the tokenizer's file, where words need one; encoder: weights of the text encoder, where they need that.
    facts: what of the checkpoint was taken, for the bundle's lineage.
    """

    system: System
    config: SystemConfig
    codec: Codec
    words: WordsConfig
    vocabulary: Path | None = None
    encoder: Mapping[str, Tensor] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


def near(name: str, options: Sequence[str]) -> str:
    """A hint at the options that are spelt alike, empty when none is."""
    alike = get_close_matches(name, options, n=3)
    return f" (did you mean {' or '.join(map(repr, alike))}?)" if alike else ""
