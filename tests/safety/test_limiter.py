import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from premotor.safety.limiter import MotionLimiter

LOW, HIGH = np.array([-1.0, -3.0, 0.5]), np.array([1.0, -0.2, 0.9])
V, A = np.array([1.0, 2.5, 0.3]), np.array([4.0, 15.0, 1.0])
DT = 0.05


def anywhere(_: np.ndarray) -> bool:
    return True


def limiter(jerk: np.ndarray, lead: float = 1.0) -> MotionLimiter:
    made = MotionLimiter(LOW, HIGH, V, A, jerk, DT, lead=lead)
    made.rest(0.5 * (LOW + HIGH))
    return made


def worst(commands: list[np.ndarray], order: int, limit: np.ndarray) -> float:
    return float((np.abs(np.diff(np.array(commands), n=order, axis=0)) / DT**order / limit).max())


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    softness=st.sampled_from([5.0, 20.0, 200.0]),
    lead=st.sampled_from([0.0, 0.25, 1.0]),
    style=st.sampled_from(["random", "corners", "riding", "wiggle", "mixed"]),
)
def test_differences_never_leave_the_limits(seed: int, softness: float, lead: float, style: str) -> None:
    rng, jerk = np.random.default_rng(seed), softness * A
    lim = limiter(jerk, lead)
    commands, target = [lim.position] * 4, lim.position
    for _ in range(80):
        kind = rng.choice(["random", "corners", "riding", "wiggle"]) if style == "mixed" else style
        if kind == "random":
            target = rng.uniform(LOW - 1, HIGH + 1)
        elif kind == "corners" and rng.random() < 0.2:
            target = np.where(rng.random(3) < 0.5, LOW, HIGH)
        elif kind == "riding":
            target = lim.position + V * DT * rng.choice([-1.0, 1.0], 3)
        elif kind == "wiggle":
            target = lim.position + rng.normal(size=3) * 0.02
        rate = rng.choice([0.0, 1.0, 30.0]) * (target - lim.position)
        commands.append(lim.brake() if rng.random() < 0.1 else lim.follow(target, rate, anywhere))
    # and it can always stop from there
    for _ in range(200):
        commands.append(lim.brake())
    assert lim.at_rest
    p = np.array(commands)
    assert np.all((p >= LOW) & (p <= HIGH))
    for order, limit in ((1, V), (2, A), (3, jerk)):
        assert worst(commands, order, limit) <= 1 + 1e-9


def test_smooth_motion_inside_the_limits_is_exact() -> None:
    lim = limiter(20 * A, lead=0.25)
    start, previous = lim.position, lim.position
    for k in range(1, 400):
        target = start + 0.15 * np.array([1.0, 1.0, 0.6]) * (1 - np.cos(0.06 * k))
        assert np.array_equal(lim.follow(target, (target - previous) / DT, anywhere), target), k
        previous = target


@pytest.mark.parametrize("lead", [0.0, 0.25])
def test_a_far_target_is_reached_and_kept(lead: float) -> None:
    lim = limiter(20 * A, lead)
    target = np.array([0.9, -2.9, 0.55])
    for _ in range(100):
        lim.follow(target, np.zeros(3), anywhere)
    np.testing.assert_allclose(lim.position, target, atol=1e-9)
    assert lim.at_rest


def test_a_delta_gets_up_to_speed_and_is_then_exact() -> None:
    lim, step = limiter(20 * A), 0.5 * V * DT
    taken = []
    for _ in range(12):
        target = lim.position + step
        taken.append(np.array_equal(lim.follow(target, step / DT, anywhere), target))
    assert not taken[0]
    assert all(taken[-2:])


def test_no_step_into_a_place_where_it_may_not_rest() -> None:
    lim = limiter(20 * A)
    wall = 0.4
    for _ in range(100):
        target = lim.position + np.array([V[0] * DT, 0.0, 0.0])
        lim.follow(target, (target - lim.position) / DT, lambda path: bool(np.all(path[:, 0] <= wall)))
        assert lim.resting_point[0] <= wall
    assert lim.position[0] > wall - 0.1
    assert lim.position[0] <= wall


def test_braking_takes_no_longer_than_jerk_and_acceleration_ask() -> None:
    lim = limiter(20 * A)
    for _ in range(30):
        lim.follow(lim.position + V * DT, V, anywhere)
    speed = np.abs(lim._now.v)
    ticks = 0
    while not lim.at_rest:
        lim.brake()
        ticks += 1
    bound = np.max(speed / A + 2 * A / (20 * A))
    assert ticks * DT <= bound + 3 * DT


def test_a_target_beyond_the_limit_leads_to_the_limit() -> None:
    lim = limiter(20 * A, lead=0.25)
    for _ in range(100):
        lim.follow(HIGH + 0.3, np.zeros(3), anywhere)
    np.testing.assert_allclose(lim.position, HIGH, atol=1e-9)


@pytest.mark.parametrize("ticks", [6, 8, 10, 12])
def test_having_fallen_behind_it_settles_on_the_target_instead_of_rushing_through_it(ticks: int) -> None:
    lim = limiter(40 * A, lead=0.25)
    start, previous = lim.position, lim.position
    way = np.array([0.0, -0.8, 0.0])
    after = []
    for k in range(1, ticks + 16):
        s = min(k / ticks, 1.0)
        target = start + way * s**3 * (10 - 15 * s + 6 * s * s)
        lim.follow(target, (target - previous) / DT, anywhere)
        previous = target
        if s == 1.0:
            after.append(lim.position[1] - target[1])
    gaps = np.array(after)
    assert gaps.min() > -0.04  # little overshoot
    assert np.abs(gaps[8:]).max() < 1e-6  # and no swinging about it
