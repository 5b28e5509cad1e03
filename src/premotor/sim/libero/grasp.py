"""Where a thing can be taken from above: by its narrow side, or by its rim where it is too wide.

Everything is found in the compiled model: points of the shapes that collide, and rays from above that say how high the
scene is where a hand would be. Lengths are metres, all in the world's frame.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from premotor.core.types import FloatArray

__all__ = ["PALM", "TIP", "Grasp", "Scene"]

TIP, PALM = 0.010, 0.031
"""The fingers' tips are so much below the point between them, the palm so much above it."""
_WIDE = 0.072  # what the open hand takes in
_OUT = np.arange(0.043, 0.063, 0.004)
_SIDES = (*-_OUT, *_OUT)  # of the open fingers, along the line between them
_BETWEEN = np.arange(-0.04, 0.041, 0.005)  # what they close over
_ACROSS = (-0.010, 0.0, 0.010)
_PALM_SIDES, _PALM_ACROSS = (-0.10, -0.07, -0.035, 0.0, 0.035, 0.07, 0.10), (-0.03, 0.03)
_SKY = 3.0
_CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float64)
_ROUND = np.array([[np.cos(a), np.sin(a), z] for a in np.linspace(0, 2 * np.pi, 16, False) for z in (-1, 1)])


@dataclass(frozen=True, slots=True)
class Grasp:
    """offset: from the thing's own point to the point between the fingers. axis: (2,) the line that they close along.

    room: metres to spare above what is in the way; negative when something is.
    """

    offset: FloatArray
    axis: FloatArray
    room: float
    cost: float


class Scene:
    """What of a compiled scene matters to a hand."""

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        self._model, self._data = model, data
        solid = (model.geom_group == 0) & ((model.geom_contype | model.geom_conaffinity) != 0)
        self._solid = np.flatnonzero(solid)
        # A ray passes what is invisible. These shapes are never drawn, so nothing looks different.
        model.geom_rgba[self._solid, 3] = 1.0
        self._root = model.body_rootid[model.geom_bodyid]
        self._groups = np.array([1, 0, 0, 0, 0, 0], np.uint8)
        robots = [body for body in range(model.nbody) if model.body(body).name.startswith(("robot0", "gripper0"))]
        self._robot = {int(model.body_rootid[body]) for body in robots}

    def points(self, body: int) -> FloatArray:
        """(N, 3) corners of the shapes of a thing, which may have several bodies."""
        model, data = self._model, self._data
        found = []
        for geom in self._solid[self._root[self._solid] == model.body_rootid[body]]:
            kind, size = model.geom_type[geom], model.geom_size[geom]
            if kind == mujoco.mjtGeom.mjGEOM_MESH:
                mesh = model.geom_dataid[geom]
                begin = model.mesh_vertadr[mesh]
                local = model.mesh_vert[begin : begin + model.mesh_vertnum[mesh]].astype(np.float64)
            elif kind == mujoco.mjtGeom.mjGEOM_BOX:
                local = _CORNERS * size
            elif kind == mujoco.mjtGeom.mjGEOM_SPHERE:
                local = _CORNERS * size[0] / np.sqrt(3)
            else:
                local = _ROUND * [size[0], size[0], size[1]]
            found.append(local @ data.geom_xmat[geom].reshape(3, 3).T + data.geom_xpos[geom])
        return np.concatenate(found)

    def height(self, places: FloatArray, without: Sequence[int] = ()) -> float:
        """How high the scene reaches at (N, 2) places, the robot and these bodies left out; -inf above nothing."""
        left_out = self._robot | {int(self._model.body_rootid[body]) for body in without}
        return max(self._top(place, left_out) for place in places)

    def grasps(self, body: int, now: FloatArray) -> list[Grasp]:
        """Ways to take a thing, the best first; `now` is the (2,) line that the fingers are on."""
        points = self.points(body)
        found = [*self._narrow(points, body, now)] or [*self._rim(points, body, now)]
        return sorted(found, key=lambda grasp: (grasp.room < 0, grasp.cost))

    def room(self, point: FloatArray, axis: FloatArray, *, without: Sequence[int] = (), taken: int) -> float:
        """Metres between an open hand at `point` and what is below it; negative when they would meet.

        taken: the thing that may be between the fingers, where nothing else is wanted.
        """

        def height(sides: Sequence[float] | FloatArray, across: Sequence[float], *others: int) -> float:
            spots = [point[:2] + s * axis + t * np.array([-axis[1], axis[0]]) for s in sides for t in across]
            return self.height(np.array(spots), (*without, *others))

        fingers = max(height(_SIDES, _ACROSS), height(_BETWEEN, _ACROSS, taken))
        return float(min(point[2] - TIP - fingers, point[2] + PALM - height(_PALM_SIDES, _PALM_ACROSS)))

    def _narrow(self, points: FloatArray, body: int, now: FloatArray) -> Iterator[Grasp]:
        low, high = points[:, 2].min(), points[:, 2].max()
        z = max(high - 0.022, low + TIP + 0.003)
        near = points[np.abs(points[:, 2] - z) < 0.03] if len(points) > 200 else points
        for angle in np.arange(0, np.pi, np.pi / 18):
            axis, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
            along, aside = near[:, :2] @ axis, near[:, :2] @ across
            width = np.ptp(along)
            if width > _WIDE:
                continue
            middle = (along.max() + along.min()) / 2 * axis + (aside.max() + aside.min()) / 2 * across
            yield self._grasp(np.append(middle, z), axis, body, now, 4.0 * width)

    def _rim(self, points: FloatArray, body: int, now: FloatArray) -> Iterator[Grasp]:
        high = points[:, 2].max()
        rim = points[points[:, 2] > high - 0.012, :2]
        middle = (rim.max(0) + rim.min(0)) / 2
        for angle in np.arange(0, 2 * np.pi, np.pi / 12):
            axis = np.array([np.cos(angle), np.sin(angle)])
            edge = middle + ((rim - middle) @ axis).max() * axis
            yield self._grasp(np.append(edge - 0.004 * axis, high - 0.012), axis, body, now, 0.0)

    def _grasp(self, point: FloatArray, axis: FloatArray, body: int, now: FloatArray, cost: float) -> Grasp:
        turn = np.arccos(np.clip(abs(axis @ now), 0.0, 1.0))
        room = self.room(point, axis, taken=body)
        # Little room is bad, much room is no better than enough.
        total = cost + 0.1 * float(turn) + 5.0 * max(0.0, 0.01 - room)
        return Grasp(point - self._data.xpos[body], axis, room, total)

    def _top(self, place: FloatArray, left_out: set[int]) -> float:
        begin, geom = np.array([*place, _SKY]), np.zeros(1, np.int32)
        down = np.array([0.0, 0.0, -1.0])
        while True:
            far = mujoco.mj_ray(self._model, self._data, begin, down, self._groups, 1, -1, geom)
            if far < 0:
                return -np.inf
            begin = begin + far * down
            if int(self._root[geom[0]]) not in left_out:
                return float(begin[2])
            begin[2] -= 1e-4
