"""Which verb was asked for, and what becomes of errors: the edge between premotor and the shell."""

import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from shutil import get_terminal_size

from premotor import __version__
from premotor.core.errors import PremotorError

__all__ = ["EXIT_BAD_INPUT", "EXIT_FAILED", "EXIT_INTERRUPTED", "EXIT_OK", "VERBS", "Verb", "main"]

EXIT_OK, EXIT_FAILED, EXIT_BAD_INPUT = 0, 1, 2
EXIT_INTERRUPTED = 130
_WIDTH = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Verb:
    """One verb. `config` in `module` is a dataclass of its options, whose `main()` returns the exit code."""

    module: str
    config: str
    does: str


VERBS: dict[str, Verb] = {
    "run": Verb(module="premotor.cli.run", config="Run", does="do what a sentence says, in closed loop"),
    "record": Verb(module="premotor.cli.record", config="Record", does="record demonstrations as a LeRobot v3 dataset"),
    "train": Verb(module="premotor.cli.train", config="Train", does="make the bundled policy again, or another"),
    "merge": Verb(module="premotor.cli.merge", config="Merge", does="make a bundle of a bundle and its adapter"),
    "quantise": Verb(
        module="premotor.cli.quantise", config="Quantise", does="make a bundle smaller, and say what that costs"
    ),
    "import": Verb(module="premotor.cli.importing", config="Import", does="make a bundle of a public checkpoint"),
    "eval": Verb(module="premotor.cli.eval", config="Eval", does="measure success, with intervals"),
    "compare": Verb(
        module="premotor.cli.compare", config="Compare", does="train named systems side by side, on equal terms"
    ),
    "rank": Verb(module="premotor.cli.rank", config="Rank", does="rank many policies by what was measured"),
    "power": Verb(module="premotor.cli.power", config="Power", does="say how many episodes are needed"),
    "info": Verb(module="premotor.cli.info", config="Info", does="say what is in a bundle or a dataset"),
}

_HELP = """\
usage: premotor VERB [OPTIONS]

Camera images, joint values and a plain instruction in, guarded motor commands
out.

{verbs}

  premotor run "put the blue cup in the bowl" --view
  premotor VERB --help      options and an example
  premotor --version

exit codes: 0 done, 1 not achieved, 2 input that cannot be used, 130 Ctrl-C
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (sys.argv when None) and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help", "help"):
        # Written by hand and not by tyro, which would import every verb to list them.
        verbs = "\n".join(f"  {name:<8} {verb.does}" for name, verb in VERBS.items())
        print(_HELP.format(verbs=verbs), end="")
        return 0 if words else EXIT_BAD_INPUT
    if words[0] in ("-V", "--version"):
        print(f"premotor {__version__}")
        return 0
    if words[0] not in VERBS:
        near = get_close_matches(words[0], VERBS, n=1)
        hint = f" Did you mean `premotor {near[0]}`?" if near else ""
        return _refuse(f"{words[0]!r} is not a verb; there are {', '.join(VERBS)}.{hint}")
    return _verb(words[0], words[1:])


def _verb(name: str, words: Sequence[str]) -> int:
    if sys.platform.startswith("linux"):
        # MuJoCo reads this when it is first imported; without it, it looks for a screen.
        os.environ.setdefault("MUJOCO_GL", "egl")
    try:
        import tyro

        verb = VERBS[name]
        config = getattr(import_module(verb.module), verb.config)
        options = tyro.cli(
            config,
            prog=f"premotor {name}",
            description=_paragraphs(config.__doc__ or ""),
            args=list(words),
            config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff, tyro.conf.HelptextFromCommentsOff),
        )
        code = int(options.main())
        # Written out here, where a closed pipe can still be told from a crash.
        sys.stdout.flush()
        return code
    except PremotorError as error:
        return _refuse(str(error))
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has seen enough (`premotor info x | head`). Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE


def _paragraphs(text: str) -> str:
    """A docstring at the width of the terminal. The first paragraph must be one line.

    The rest is indented, because tyro joins lines that begin with a letter; it doubles empty lines in front of
    such ones, so those that stay single hold an invisible character.
    """
    from inspect import cleandoc
    from textwrap import fill

    width = min(_WIDTH, get_terminal_size().columns)
    first, *rest = (" ".join(part.split()) for part in cleandoc(text).split("\n\n"))
    filled = (fill(part, width, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False) for part in rest)
    return "\n\u200b\n".join([first, *filled])


def _refuse(message: str) -> int:
    """Show why the input cannot be used. Long texts are cut: 10 kB of them is what was wrong."""
    from textwrap import fill

    width = min(_WIDTH, get_terminal_size().columns)
    lines = [
        line if line.startswith(" ") else fill(line, width, break_on_hyphens=False) for line in message.split("\n")
    ]
    text = "\n".join(lines)
    print(f"premotor: {text}" if len(text) < 4000 else f"premotor: {text[:4000]} ...", file=sys.stderr)
    return EXIT_BAD_INPUT
