"""The one tree of errors. Each message carries the value, the valid options and the next step."""

__all__ = [
    "ActionTokenError",
    "BundleError",
    "DatasetError",
    "EvaluationError",
    "InstructionError",
    "PremotorError",
    "SafetyError",
    "SpecMismatch",
    "WeightsError",
    "WorldError",
]


class PremotorError(Exception):
    """Base of everything that premotor raises on purpose; the command line shows its text, not a traceback."""


class ActionTokenError(PremotorError):
    """Actions have no tokens, or tokens stand for no actions."""


class SpecMismatch(PremotorError):
    """A producer and a consumer disagree about names, units, shapes, rates or limits."""


class BundleError(PremotorError):
    """A policy bundle is missing, incomplete, altered or made for another robot."""


class DatasetError(PremotorError):
    """A dataset is missing, incomplete or damaged."""


class EvaluationError(PremotorError):
    """A protocol asks for what does not exist, or two evaluations cannot be compared."""


class InstructionError(PremotorError):
    """An instruction cannot be understood in the scene at hand."""


class SafetyError(PremotorError):
    """The guard was set up with limits that cannot be kept, or was used wrongly."""


class WeightsError(PremotorError):
    """A published checkpoint is missing, incomplete, or made for another system."""


class WorldError(PremotorError):
    """A simulated world cannot be built or rendered."""
