"""What stands behind the live page: run an instruction, wait for the next, in the same scene or in a new one."""

import queue
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NoReturn

from premotor.core.errors import InstructionError
from premotor.sim.tabletop.episode import Episode
from premotor.sim.tabletop.references import scene_description
from premotor.studio.live import LivePage, Request, State
from premotor.studio.minds import call
from premotor.studio.rollout import Glimpse, Outcome, Stage, carry_on, now_on_the_table

__all__ = ["Play", "Scene"]

Scene = Callable[[str, int], Episode]
"""A scene in which an instruction makes sense, for a seed; raises InstructionError where there can be none."""

_WAIT_S = 0.2


@dataclass(kw_only=True)
class Play:
    """One person at the page, one arm at its table.

    who: the arm and its policy, in words. scene: makes scenes. seed: of the first one.
    """

    page: LivePage
    stage: Stage
    who: str
    scene: Scene
    seed: int
    _state: State = field(init=False)
    _due: float = field(init=False, default=0.0)

    def go(self, text: str, told: Callable[[str, Outcome], None]) -> NoReturn:
        """Carry out `text`, then whatever the page asks for, until somebody interrupts. told: hears of every end."""
        self._new_scene(text)
        wish: Request | None = Request(kind="say")
        while True:
            if wish is None:
                wish = self._wait()
            wish = self._grant(wish, told)

    def _grant(self, wish: Request, told: Callable[[str, Outcome], None]) -> Request | None:
        """Do what was asked; returns what was asked for meanwhile."""
        if wish.kind == "stop":
            return None
        if wish.kind == "fresh":
            self._new_scene(self.stage.world.episode.instruction)
        elif wish.text and not self._understood(wish.text):
            return None
        asked: list[Request] = []

        def halt() -> str | None:
            if self.page.requests.empty():
                return None
            asked.append(self.page.requests.get())
            return "stopped on the page" if asked[-1].kind == "stop" else "something else was asked for"

        outcome = self.stage.roll_out(self._show, halt)
        phase = "stopped" if outcome.stopped else "done" if outcome.success else "failed"
        self._put(replace(self._state, phase=phase, verdicts=outcome.verdicts, ideas=self._ideas()))  # type: ignore[arg-type]
        told(self.stage.world.episode.instruction, outcome)
        return asked[0] if asked else None

    def _understood(self, text: str) -> bool:
        """Set the scene for an instruction: the present one if the words fit it, else a new one."""
        try:
            carry_on(self.stage.world, text)
            self._begin("")
        except InstructionError as here:
            try:
                self._new_scene(text, f"{here} So here is another table.")
            except InstructionError as anywhere:
                self._put(replace(self._state, phase="refused", instruction=text, message=str(anywhere)))
                return False
        return True

    def _new_scene(self, text: str, message: str = "") -> None:
        self.stage.world.reset(self.scene(text, self.seed))
        self.seed += 1
        self._begin(message)

    def _begin(self, message: str) -> None:
        episode = self.stage.world.episode
        words = scene_description(now_on_the_table(self.stage.world), episode.drawer)
        self._state = State(
            phase="running",
            instruction=episode.instruction,
            who=self.who,
            scene=words,
            message=message,
            ideas=self._ideas(),
        )
        self._due = time.monotonic()

    def _show(self, glimpse: Glimpse) -> None:
        thought = glimpse.thought
        self._put(
            replace(
                self._state,
                seconds=glimpse.seconds,
                limit_s=glimpse.limit_s,
                object=thought.object,
                target=thought.target,
                distance_cm=None if thought.distance is None else 100 * thought.distance,
                verdicts=glimpse.verdicts,
                reason=glimpse.reason,
                pictures=glimpse.pictures,
            )
        )
        # Simulated time stands still while nobody steps it, so a person can watch at the speed of life.
        self._due = max(self._due + 1.0 / self.stage.world.spec.rate_hz, time.monotonic() - 0.5)
        time.sleep(max(0.0, self._due - time.monotonic()))

    def _put(self, state: State) -> None:
        self._state = state
        self.page.show(state)

    def _wait(self) -> Request:
        while True:
            try:
                # With a time limit, because an endless wait on a queue cannot be interrupted everywhere.
                return self.page.requests.get(timeout=_WAIT_S)
            except queue.Empty:
                continue

    def _ideas(self) -> tuple[str, ...]:
        """A few things that can be asked for in this scene."""
        episode, goal = self.stage.world.episode, self.stage.world.episode.goal
        loose = [t for t in now_on_the_table(self.stage.world) if t.name not in goal.objects and not t.in_drawer]
        able = [t for t in loose if t.kind in ("block", "ball", "cup", "bottle")][:2]
        into = [t for t in loose if t.kind in ("bowl", "bin")][:1]
        ideas = [f"pick up the {call(self.stage.world, t.name)}" for t in able[:1]]
        ideas += [
            f"put the {call(self.stage.world, a.name)} in the {call(self.stage.world, b.name)}"
            for a in able[-1:]
            for b in into
        ]
        if episode.drawer is not None:
            ideas.append("close the drawer" if self.stage.world.drawer_opening() > 0.5 else "open the drawer")
        return tuple(ideas)
