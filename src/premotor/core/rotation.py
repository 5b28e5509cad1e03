"""Rotations, batched over leading axes. Rotation vectors (rotvec): axis times angle, rad.

A matrix R maps body to parent coordinates. The 6-D form `sixd_columns` is the first column of R, then the second:
[r00, r10, r20, r01, r11, r21]. Quaternions are (w, x, y, z).
"""

import numpy as np

from premotor.core.types import FloatArray

__all__ = [
    "compose_rotvec",
    "invert_quaternion_wxyz",
    "matrix_to_rotvec",
    "matrix_to_sixd_columns",
    "multiply_quaternion_wxyz",
    "quaternion_wxyz_to_rotvec",
    "rotvec_to_matrix",
    "rotvec_to_quaternion_wxyz",
    "sixd_columns_to_matrix",
]

_SMALL = 1e-8


def rotvec_to_quaternion_wxyz(rotvec: FloatArray) -> FloatArray:
    """(..., 3) -> unit quaternions (..., 4)."""
    half = 0.5 * np.linalg.norm(rotvec, axis=-1, keepdims=True)
    # np.sinc(x) is sin(pi x) / (pi x): smooth at zero, so no branch is needed.
    return np.concatenate([np.cos(half), 0.5 * np.sinc(half / np.pi) * rotvec], axis=-1)


def quaternion_wxyz_to_rotvec(quaternion: FloatArray) -> FloatArray:
    """Unit quaternions (..., 4) -> (..., 3) with angle in [0, pi]; accurate at both ends of that range."""
    q = np.where(quaternion[..., :1] < 0, -quaternion, quaternion)
    sine = np.linalg.norm(q[..., 1:], axis=-1, keepdims=True)
    angle = 2.0 * np.arctan2(sine, q[..., :1])
    # angle / sine -> 2 as the rotation vanishes.
    scale = np.where(sine > _SMALL, angle / np.maximum(sine, _SMALL), 2.0)
    return np.asarray(scale * q[..., 1:])


def multiply_quaternion_wxyz(left: FloatArray, right: FloatArray) -> FloatArray:
    """left * right, (..., 4): the rotation that applies `right` first."""
    w1, v1 = left[..., :1], left[..., 1:]
    w2, v2 = right[..., :1], right[..., 1:]
    w = w1 * w2 - np.sum(v1 * v2, axis=-1, keepdims=True)
    v: FloatArray = w1 * v2 + w2 * v1 + np.cross(v1, v2)
    return np.concatenate([w, v], axis=-1)


def invert_quaternion_wxyz(quaternion: FloatArray) -> FloatArray:
    """The inverse of unit quaternions (..., 4)."""
    return np.asarray(quaternion * np.array([1.0, -1.0, -1.0, -1.0]))


def compose_rotvec(left: FloatArray, right: FloatArray) -> FloatArray:
    """(..., 3): the rotation vector of R(left) @ R(right), i.e. `right` is applied first."""
    return quaternion_wxyz_to_rotvec(
        multiply_quaternion_wxyz(rotvec_to_quaternion_wxyz(left), rotvec_to_quaternion_wxyz(right))
    )


def rotvec_to_matrix(rotvec: FloatArray) -> FloatArray:
    """(..., 3) -> (..., 3, 3)."""
    w, x, y, z = np.moveaxis(rotvec_to_quaternion_wxyz(np.asarray(rotvec, dtype=np.float64)), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def matrix_to_rotvec(matrix: FloatArray) -> FloatArray:
    """(..., 3, 3) -> (..., 3) with angle in [0, pi]. The matrix must be a rotation; it is not checked."""
    m = np.asarray(matrix, dtype=np.float64)
    d0, d1, d2 = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    # Four ways to a quaternion, each exact where its own component is large; take the largest.
    squares = np.stack([1 + d0 + d1 + d2, 1 + d0 - d1 - d2, 1 - d0 + d1 - d2, 1 - d0 - d1 + d2], axis=-1)
    a, b, c = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    xy, xz, yz = m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1]
    ways = np.stack(
        [
            np.stack([squares[..., 0], a, b, c], axis=-1),
            np.stack([a, squares[..., 1], xy, xz], axis=-1),
            np.stack([b, xy, squares[..., 2], yz], axis=-1),
            np.stack([c, xz, yz, squares[..., 3]], axis=-1),
        ],
        axis=-2,
    )
    best = np.argmax(squares, axis=-1)[..., None, None]
    q = np.take_along_axis(ways, best, axis=-2)[..., 0, :]
    return quaternion_wxyz_to_rotvec(q / np.linalg.norm(q, axis=-1, keepdims=True))


def matrix_to_sixd_columns(matrix: FloatArray) -> FloatArray:
    """(..., 3, 3) -> (..., 6): first column, then second column."""
    return np.concatenate([matrix[..., :, 0], matrix[..., :, 1]], axis=-1)


def sixd_columns_to_matrix(sixd: FloatArray) -> FloatArray:
    """(..., 6) -> (..., 3, 3) by Gram-Schmidt, so any two independent columns give a rotation."""
    first = sixd[..., :3] / np.linalg.norm(sixd[..., :3], axis=-1, keepdims=True)
    second = sixd[..., 3:] - np.sum(first * sixd[..., 3:], axis=-1, keepdims=True) * first
    second = second / np.linalg.norm(second, axis=-1, keepdims=True)
    return np.stack([first, second, np.cross(first, second)], axis=-1)
