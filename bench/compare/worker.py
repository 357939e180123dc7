"""What the measured Python processes have in common: they wait for tasks, time them and answer.

A request is a line of JSON on standard input, an answer one on standard output:

    {"task": "Training/lenet5/64", "seconds": 0.3, "settings": []}
    {"seconds": {"nchw foreach": 0.0061, "channels_last foreach": 0.0049}, "failures": {"nchw fused": "why"}}

An empty list of settings asks for all of them. With arguments TASK SETTING STEPS a process does not wait: it makes so many steps, and
prints "first" after the first one and its peak of resident memory at the end.
"""

import csv
import json
import pathlib
import sys
import time

FOLDER = pathlib.Path(__file__).resolve().parent
CLASSES = 10
IMAGES = {"lenet5": (1, 28, 28), "vgg": (3, 32, 32)}  # channels, height, width


def layers():
    """The convolutions that fovea's benchmarks measure, by name; every column but the name is a number."""
    with open(FOLDER.parent / "layers.tsv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return {row.pop("name"): {key: int(value) for key, value in row.items()} for row in rows}


def product(task):
    """Sizes and transpositions in a task such as MatMul/64x120x400/nt: m, n, k, op(A), op(B)."""
    _, sizes, letters = task.split("/")
    return *map(int, sizes.split("x")), letters[0] == "t", letters[1] == "t"


def timed(step, seconds):
    """Seconds a step takes: the mean over about the given time, after a third of it for warming up."""
    count, end = 0, time.perf_counter() + seconds / 3
    begin = time.perf_counter()
    while count < 2 or time.perf_counter() < end:
        step()
        count += 1
    each = (time.perf_counter() - begin) / count
    count = max(3, round(seconds / each))
    begin = time.perf_counter()
    for _ in range(count):
        step()
    return (time.perf_counter() - begin) / count


def serve(settings_of):
    """Answers requests until standard input ends. settings_of(task) maps the name of a setting to a function that prepares its step."""
    if len(sys.argv) == 4:
        task, setting, steps = sys.argv[1:]
        once(settings_of(task), setting, int(steps))
        return
    steps = {}
    for line in sys.stdin:
        request = json.loads(line)
        task, answer = request["task"], {"seconds": {}, "failures": {}}
        prepare = settings_of(task)
        for setting in request["settings"] or prepare:
            try:
                if (task, setting) not in steps:
                    steps[task, setting] = prepare[setting]()
                answer["seconds"][setting] = timed(steps[task, setting], request["seconds"])
            except Exception as error:  # a setting that does not work here does not end the others
                answer["failures"][setting] = (str(error).strip() or type(error).__name__).splitlines()[0]
        for key in [key for key in steps if key[0] == task and key[1] not in answer["seconds"]]:
            del steps[key]
        print(json.dumps(answer), flush=True)


def once(prepare, setting, steps):
    step = prepare[setting]()
    step()
    print("first", flush=True)
    for _ in range(steps - 1):
        step()
    with open("/proc/self/status", encoding="ascii") as status:
        print(next(line.split()[1] for line in status if line.startswith("VmHWM")), flush=True)
