"""Two small embodiments that look like the real ones, so that core is tested without the robots room."""

import pytest

from premotor.core.spec import ActionSpec, CameraSpec, DimSpec, EmbodimentSpec

CAMERAS = (CameraSpec(name="front", height=8, width=10), CameraSpec(name="wrist", height=8, width=10))


def dim(name: str, unit: str, kind: str, low: float, high: float) -> DimSpec:
    return DimSpec(name=name, unit=unit, kind=kind, low=low, high=high)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def cartesian() -> EmbodimentSpec:
    deltas = [dim(n, "m", "delta", -0.03, 0.03) for n in ("x", "y", "z")]
    turns = [dim(n, "rad", "delta", -0.15, 0.15) for n in ("rx", "ry", "rz")]
    return EmbodimentSpec(
        name="cartesian",
        cameras=CAMERAS,
        state=(
            *tuple(dim(f"joint{i}", "rad", "absolute", -3, 3) for i in range(7)),
            dim("gripper", "ratio", "absolute", 0, 1),
        ),
        action=ActionSpec(
            dims=(*deltas, *turns, dim("gripper", "ratio", "absolute", 0, 1)),
            frame="base",
            rotation="rotvec",
            hold="zero_delta",
        ),
        rate_hz=20.0,
    )


@pytest.fixture(scope="session")
def joints() -> EmbodimentSpec:
    dims = tuple(dim(f"joint{i}", "rad", "absolute", -2, 2) for i in range(5))
    dims += (dim("gripper", "ratio", "absolute", 0, 1),)
    return EmbodimentSpec(
        name="joints",
        cameras=CAMERAS,
        state=dims,
        action=ActionSpec(dims=dims, frame="joint", rotation="none", hold="measured_position"),
        rate_hz=20.0,
    )


@pytest.fixture(scope="session", params=["cartesian", "joints"])
def spec(request: pytest.FixtureRequest) -> EmbodimentSpec:
    """Each of both in turn."""
    found: EmbodimentSpec = request.getfixturevalue(request.param)
    return found
