"""Claim: whatever a policy sends, no command leaves the limits of the arm, and the guard costs little.

An adversary sends 100,000 actions per arm; an oracle that knows only the commands that came out takes finite
differences of them. Prints ratios to the limits and writes results/guard_fuzz.json; exit code 1 on any violation.

    python benchmarks/guard_fuzz.py [--steps 100000] [--arms panda so101] [--seed 0] [--out results/guard_fuzz.json]
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from premotor.core.types import FloatArray, JointState
from premotor.evaluation.machine import machine, revision
from premotor.robots.embodiment import EMBODIMENTS, Embodiment, embodiment
from premotor.robots.kinematics import Kinematics
from premotor.safety.guard import Guard

SLACK = 1e-9  # relative: rounding of the differences themselves
PHASE = 60  # ticks that one kind of attack lasts


@dataclass
class Oracle:
    """Counts violations in a stream of commands; shares no code with the guard."""

    arm: Embodiment
    tail: list[FloatArray]
    gripper: float
    violations: Counter[str] = field(default_factory=Counter)
    worst: Counter[str] = field(default_factory=Counter)

    def see(self, positions: FloatArray, gripper: float) -> None:
        """Judge the next command."""
        arm, dt = self.arm, 1.0 / self.arm.spec.rate_hz
        self.tail = [*self.tail[-3:], positions]
        self._judge("finite", 0.0 if np.isfinite(positions).all() and np.isfinite(gripper) else np.inf)
        middle, half = 0.5 * (arm.position_high + arm.position_low), 0.5 * (arm.position_high - arm.position_low)
        self._judge("position", float(np.max(np.abs(positions - middle) / half)))
        for order, (name, limit) in enumerate(
            (("velocity", arm.velocity), ("acceleration", arm.acceleration), ("jerk", arm.jerk)), start=1
        ):
            difference = np.diff(np.array(self.tail), n=order, axis=0)[-1] / dt**order
            self._judge(name, float(np.max(np.abs(difference) / limit)))
        self._judge("gripper speed", abs(gripper - self.gripper) / dt / arm.gripper_speed)
        self.gripper = gripper

    def _judge(self, name: str, ratio: float) -> None:
        self.worst[name] = max(self.worst[name], ratio)  # type: ignore[assignment]
        self.violations[name] += not ratio <= 1.0 + SLACK


def attacks(arm: Embodiment, rng: np.random.Generator) -> dict[str, Callable[[int, FloatArray], Any]]:
    """Kinds of actions by name; each is called with the tick and the joints last commanded."""
    low, high = arm.spec.action.low, arm.spec.action.high
    size, joints = len(low), arm.spec.action.frame == "joint"
    dt = 1.0 / arm.spec.rate_hz
    poison = np.array([np.nan, np.inf, -np.inf, 1e300, -1e300, 5e-324, 1e12])

    def near(commanded: FloatArray, step: FloatArray) -> FloatArray:
        """An action that asks for about `step` of joint motion."""
        return np.append(commanded + step, 1.0) if joints else np.append(step[:6] * 0.03, 0.0)

    def poisoned(_tick: int, commanded: FloatArray) -> FloatArray:
        action = near(commanded, rng.normal(size=len(commanded)) * 0.05)
        action[rng.integers(size)] = rng.choice(poison)
        return action

    def misshapen(_tick: int, _commanded: FloatArray) -> Any:
        good = rng.uniform(low, high)
        return [good[:-1], good[None], np.zeros(0), good.tolist(), good.astype(object), good.astype(int), "go", 3.0][
            rng.integers(8)
        ]

    drift = rng.uniform(low, high)
    return {
        "random": lambda t, q: rng.uniform(low - (high - low), high + (high - low)),
        "bang bang": lambda t, q: np.where((np.arange(size) + t // 4) % 2 == 0, low, high),
        "bang bang every tick": lambda t, q: np.where(rng.random(size) < 0.5, low, high),
        "one corner": lambda t, q: np.where(drift > 0.5 * (low + high), low, high),
        "riding": lambda t, q: near(q, arm.velocity * dt * 0.999999 * np.sign(np.sin(0.05 * t + np.arange(len(q))))),
        "chatter": lambda t, q: near(q, arm.acceleration * dt * dt * (1.0 if t % 2 else -1.0)),
        "noise": lambda t, q: near(q, rng.normal(size=len(q)) * 0.02),
        "smooth": lambda t, q: near(q, 0.01 * np.sin(0.03 * t + np.arange(len(q)))),
        "poisoned": poisoned,
        "misshapen": misshapen,
        "huge": lambda t, q: rng.choice([-1e300, 1e300, 1e12, -1e12], size),
        "silent": lambda t, q: None,
        "on and off": lambda t, q: None if t % 3 else np.where(rng.random(size) < 0.5, low, high),
    }


def fuzz(name: str, steps: int, seed: int = 0) -> dict[str, Any]:
    """Attack one arm for that many steps; returns counts, worst ratios to the limits, and times in microseconds."""
    arm, rng = embodiment(name), np.random.default_rng(seed)
    guard, kinematics, period = Guard(arm), Kinematics(arm), round(1e9 / arm.spec.rate_hz)
    kinds = attacks(arm, rng)
    now, gripper, kind, resets = 0, 0.5, "smooth", 0
    strayed, settled = -PHASE - 1, True
    guard.reset(JointState(stamp_ns=0, positions=arm.home, velocities=0 * arm.home, gripper=gripper))
    oracle = Oracle(arm, [arm.home] * 4, gripper)
    verdicts: Counter[str] = Counter()
    wall, cpu, outside = np.zeros(steps), np.zeros(steps), 0.0
    for tick in range(steps):
        if tick % PHASE == 0:
            kinds, kind = attacks(arm, rng), list(kinds)[rng.integers(len(kinds))]
        action = kinds[kind](tick, guard.commanded)
        positions, stamp = guard.commanded, now
        if rng.random() < 0.02:
            positions = positions + rng.choice([0.0, 0.5, -0.5, np.nan, np.inf], len(positions))
            strayed = tick
        if rng.random() < 0.02:
            stamp = now - int(rng.choice([10**9, 10**10, -(10**9)]))
        now += period
        state = JointState(stamp_ns=now, positions=positions, velocities=0 * arm.home, gripper=gripper)
        begin, begin_cpu = time.perf_counter_ns(), time.thread_time_ns()
        command, verdict = guard.step(action, state, now, stamp_ns=stamp)
        cpu[tick], wall[tick] = time.thread_time_ns() - begin_cpu, time.perf_counter_ns() - begin
        gripper = command.gripper
        oracle.see(command.positions, gripper)
        verdicts[type(verdict).__name__] += 1
        tool, _ = kinematics.forward(command.positions)
        excess = float(np.max([arm.workspace_low - tool, tool - arm.workspace_high]))
        # An arm that is measured outside the box is followed there, so that it is not pushed; then it must come back.
        settled = tick - strayed > PHASE and (settled or excess <= guard.config.box_tolerance)
        outside = max(outside, excess) if settled else outside
        if guard.stopped is not None and guard.at_rest:
            guard.reset(JointState(stamp_ns=now, positions=guard.commanded, velocities=0 * arm.home, gripper=gripper))
            resets += 1
    return {
        "steps": steps,
        "seed": seed,
        "violations": sum(oracle.violations.values()),
        "violations_by_kind": dict(oracle.violations),
        "worst_ratio_to_limit": {k: round(float(v), 9) for k, v in oracle.worst.items()},
        "tool_outside_workspace_m": round(outside, 4),
        "verdicts": dict(verdicts),
        "latched_stops": resets,
        "wall_us": {"p50": _us(wall, 50), "p99": _us(wall, 99)},
        "cpu_us": {"p50": _us(cpu, 50), "p99": _us(cpu, 99)},
    }


def _us(times_ns: FloatArray, percentile: float) -> float:
    return round(float(np.percentile(times_ns, percentile)) * 1e-3, 1)


def main() -> int:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--arms", nargs="+", default=sorted(EMBODIMENTS), choices=sorted(EMBODIMENTS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("results/guard_fuzz.json"))
    options = parser.parse_args()
    results = {name: fuzz(name, options.steps, options.seed) for name in options.arms}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    summary = [
        {
            "figure": f"{name}: limit violations among hostile actions through the guard",
            "value": found["violations"],
            "unit": "",
            "n": found["steps"],
            "target": "0",
        }
        for name, found in results.items()
    ]
    report = {
        "command": "python benchmarks/guard_fuzz.py",
        "revision": revision(),
        "machine": machine(),
        "guard_fuzz": results,
        "summary": summary,
    }
    options.out.write_text(json.dumps(report, indent=1) + "\n")
    for name, found in results.items():
        print(f"{name}: {found['violations']} violations in {found['steps']} actions, {found['verdicts']}")
        print(f"  worst ratio to limit {found['worst_ratio_to_limit']}")
        print(f"  wall us {found['wall_us']}, cpu us {found['cpu_us']}")
        print(f"  tool at most {found['tool_outside_workspace_m']} m outside the workspace box")
    return int(any(found["violations"] for found in results.values()))


if __name__ == "__main__":
    sys.exit(main())
