"""Find out, before anything heavy is installed, whether this machine can render without a screen.

The simulated cameras draw through EGL. Three libraries must be there: libEGL (the door), libOpenGL (the
drawing calls) and a driver. As root on Debian what is missing is installed; elsewhere the message names it.
Standard library only, and old syntax, because this runs in whatever Python the machine has.
"""

import ctypes
import os
import shutil
import subprocess
import sys

__all__ = ["apt_install", "main", "problem"]

PACKAGES = ("libegl1", "libgl1-mesa-dri", "libopengl0")
_PLATFORM_DEVICE = 0x313F
_OPENGL_API = 0x30A2


def _load(*names: str) -> "ctypes.CDLL | None":
    for name in names:
        try:
            return ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
        except OSError:
            continue
    return None


def _has_working_device(egl: ctypes.CDLL) -> bool:
    """Whether one EGL device can be initialised for desktop OpenGL; a bare libEGL without a driver cannot."""
    egl.eglGetProcAddress.restype = ctypes.c_void_p
    egl.eglGetProcAddress.argtypes = [ctypes.c_char_p]
    query = egl.eglGetProcAddress(b"eglQueryDevicesEXT")
    display_of = egl.eglGetProcAddress(b"eglGetPlatformDisplayEXT")
    if not query or not display_of:
        return False
    int_p = ctypes.POINTER(ctypes.c_int)
    query_devices = ctypes.CFUNCTYPE(ctypes.c_uint, ctypes.c_int, ctypes.c_void_p, int_p)(query)
    get_display = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint, ctypes.c_void_p, int_p)(display_of)
    egl.eglInitialize.argtypes = [ctypes.c_void_p, int_p, int_p]
    devices, count = (ctypes.c_void_p * 16)(), ctypes.c_int(0)
    if not query_devices(16, ctypes.cast(devices, ctypes.c_void_p), ctypes.byref(count)):
        return False
    for device in devices[: count.value]:
        display = get_display(_PLATFORM_DEVICE, device, None)
        if display and egl.eglInitialize(display, None, None) and egl.eglBindAPI(_OPENGL_API):
            return True
    return False


def problem() -> str:
    """One line that says what is missing for rendering, or an empty string when all is well."""
    if not sys.platform.startswith("linux"):
        return ""  # macOS and Windows bring their own GL.
    chosen = os.environ.get("MUJOCO_GL", "egl").lower()
    if chosen != "egl":
        return ""  # The user picked another renderer and vouches for it.
    if _load("libOpenGL.so.0", "libGL.so.1") is None:
        return "the OpenGL library (libOpenGL.so.0) is not installed"
    egl = _load("libEGL.so.1")
    if egl is None:
        return "the EGL library (libEGL.so.1) is not installed"
    if not _has_working_device(egl):
        return "EGL is installed but finds no driver to draw with"
    return ""


def apt_install(packages: "tuple[str, ...]") -> bool:
    """Install Debian packages when that is possible without asking (root, apt-get there); whether it was done."""
    if os.name != "posix" or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    print("premotor: installing " + " ".join(packages) + " with apt-get", flush=True)
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", *packages]):
        if subprocess.call(command, env=env, stdout=subprocess.DEVNULL) != 0:
            return False
    return True


def main() -> int:
    """Check, install where that is allowed, check again; 0 when cameras can be rendered."""
    missing = problem()
    if not missing:
        print("premotor: rendering without a screen works", flush=True)
        return 0
    print("premotor: cannot render: " + missing, flush=True)
    # A fresh process checks again: GL libraries remember the drivers that they found when they were loaded.
    probe = [sys.executable, os.path.abspath(__file__), "--again"]
    if "--again" not in sys.argv[1:] and apt_install(PACKAGES):
        return subprocess.call(probe)
    print("premotor: on Debian or Ubuntu run: sudo apt-get install " + " ".join(PACKAGES), file=sys.stderr)
    print("premotor: elsewhere install EGL, OpenGL and the Mesa drivers, then run the command again", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
