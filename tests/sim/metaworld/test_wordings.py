"""Every task can be said in other words, which mean no other task."""

from premotor.sim.metaworld.tasks import TASKS
from premotor.sim.metaworld.wordings import wordings


def test_half_of_the_wordings_are_the_sentence_that_is_asked_for() -> None:
    for name, task in TASKS.items():
        said = wordings(name)
        assert said.count(task.instruction) * 2 == len(said)
        assert len(set(said)) == 3


def test_other_words_are_those_of_one_task_only() -> None:
    others = [sentence.lower() for name in TASKS for sentence in set(wordings(name)) - {TASKS[name].instruction}]
    assert len(set(others)) == len(others) == 2 * len(TASKS)
    assert not set(others) & {task.instruction.lower() for task in TASKS.values()}
