import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from premotor.core import rotation as rot

vectors = arrays(np.float64, (5, 3), elements=st.floats(-1.8, 1.8))  # norm below pi
big_vectors = arrays(np.float64, (5, 3), elements=st.floats(-20, 20))


@given(vectors)
def test_rotvec_matrix_round_trip(v: np.ndarray) -> None:
    np.testing.assert_allclose(rot.matrix_to_rotvec(rot.rotvec_to_matrix(v)), v, atol=1e-7)


@given(big_vectors)
def test_matrix_agrees_with_scipy(v: np.ndarray) -> None:
    np.testing.assert_allclose(rot.rotvec_to_matrix(v), Rotation.from_rotvec(v).as_matrix(), atol=1e-12)


@given(big_vectors, big_vectors)
def test_compose_applies_the_right_one_first(a: np.ndarray, b: np.ndarray) -> None:
    expected = rot.rotvec_to_matrix(a) @ rot.rotvec_to_matrix(b)
    np.testing.assert_allclose(rot.rotvec_to_matrix(rot.compose_rotvec(a, b)), expected, atol=1e-9)


@given(vectors)
def test_half_turns_are_exact(v: np.ndarray) -> None:
    norm = np.linalg.norm(v, axis=-1, keepdims=True)
    v = np.where(norm > 1e-3, v / np.maximum(norm, 1e-9), [1.0, 0.0, 0.0]) * np.pi
    matrix = rot.rotvec_to_matrix(v)
    # the sign of a half turn is free, the rotation is not
    np.testing.assert_allclose(rot.rotvec_to_matrix(rot.matrix_to_rotvec(matrix)), matrix, atol=1e-9)


@given(big_vectors)
def test_sixd_columns_round_trip_and_order(v: np.ndarray) -> None:
    matrix = rot.rotvec_to_matrix(v)
    sixd = rot.matrix_to_sixd_columns(matrix)
    np.testing.assert_array_equal(sixd[:, 1], matrix[:, 1, 0])
    np.testing.assert_array_equal(sixd[:, 3], matrix[:, 0, 1])
    np.testing.assert_allclose(rot.sixd_columns_to_matrix(sixd), matrix, atol=1e-12)


def test_zero_rotation() -> None:
    np.testing.assert_array_equal(rot.rotvec_to_matrix(np.zeros(3)), np.eye(3))
    np.testing.assert_array_equal(rot.matrix_to_rotvec(np.eye(3)), np.zeros(3))
