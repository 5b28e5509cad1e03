"""Set-up shared by all tests: rendering without a screen, one thread a process, steady property tests."""

import os
import signal
import sys
import threading

if sys.platform.startswith("linux"):
    os.environ.setdefault("MUJOCO_GL", "egl")
# Tests run in several processes; more threads in each only get in one another's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Whoever starts the tests in the background may have them ignore Ctrl-C; the programs that they start must not.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

from hypothesis import HealthCheck, settings

# No deadline: a busy machine is not a defect. CI draws the same examples every time.
settings.register_profile("local", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("local"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")
