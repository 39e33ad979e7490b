"""Where every thread and every task stands, in words: for the log, when somebody is silent."""

import faulthandler
import tempfile
from collections.abc import Iterator

import trio

# The innermost frames say what is waited for.
FRAMES_MAX = 6
# A tree of thousands of idle actors would bury the one that matters.
TASKS_MAX = 300


def thread_stacks() -> str:
    """Return the stack of each thread, the innermost frames first."""
    with tempfile.TemporaryFile("w+") as file:
        # It writes to the file's descriptor, past Python's own buffers.
        faulthandler.dump_traceback(file, all_threads=True)
        file.seek(0)
        return file.read()


def task_stacks() -> str:
    """Return a line per trio task: its name, and where it waits."""
    root = trio.lowlevel.current_root_task()
    assert root is not None, "called in a run of trio"
    lines = []
    for number, task in enumerate(_tasks(root)):
        if number == TASKS_MAX:
            lines.append(f"and more: the first {TASKS_MAX} are shown")
            break
        lines.append(_line(task))
    return "\n".join(lines)


def _line(task: trio.lowlevel.Task) -> str:
    address = ""
    places = []
    for frame, number in task.iter_await_frames():
        file = frame.f_code.co_filename
        if "/trio/" not in file:
            places.append(f"{frame.f_code.co_name} ({file.rpartition('/')[2]}:{number})")
            address = str(getattr(frame.f_locals.get("self"), "address", "")) or address
    return f"{address or task.name}: {' > '.join(places[-FRAMES_MAX:])}"


def _tasks(task: trio.lowlevel.Task) -> Iterator[trio.lowlevel.Task]:
    yield task
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            yield from _tasks(child)
