#!/usr/bin/env python3
# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy==2.4.6", "faiss-cpu"]
# ///
"""Time numpy, and faiss where it is there, on the work of `examples/search.rs`.

    python3 examples/peer/search.py --folder DIR --width 384 [--threads 2]

The folder holds `left.f32` and `right.f32`, rows of normalized vectors. Prints one line of JSON with
seconds, and writes the answers of both directions, one after the other, as `<program>_<task>.i64`.

- cosine: the nearest neighbour in both directions. numpy multiplies the whole matrix once and takes
  two argmax; faiss searches a flat index twice.
- margin: the largest ratio margin with k = 4 in both directions. numpy takes the means of the four
  nearest with two partitions, and divides the whole matrix; faiss finds the four nearest, twice, and
  looks for the largest margin among them only, as LASER does.
"""

import argparse
import json
import os
import time
from pathlib import Path

K = 4


def numpy_cosine(np, left, right):
    """Return the nearest of each row of both sides."""
    scores = left @ right.T
    return scores.argmax(1), scores.argmax(0)


def numpy_margin(np, left, right):
    """Return the row with the largest margin for each row of both sides."""
    scores = left @ right.T
    of_left = np.partition(scores, -K, axis=1)[:, -K:].mean(1)
    of_right = np.partition(scores, -K, axis=0)[-K:].mean(0)
    scores /= (of_left[:, None] + of_right[None, :]) / 2
    return scores.argmax(1), scores.argmax(0)


def faiss_search(faiss, left, right, k):
    """Return the scores and places of the k nearest of both directions."""
    found = []
    for queries, candidates in ((left, right), (right, left)):
        index = faiss.IndexFlatIP(queries.shape[1])
        index.add(candidates)
        found.append(index.search(queries, k))
    return found


def faiss_cosine(faiss, left, right):
    """Return the nearest of each row of both sides."""
    return [places[:, 0] for _, places in faiss_search(faiss, left, right, 1)]


def faiss_margin(faiss, left, right):
    """Return the largest margin among the k nearest of each row of both sides."""
    both = faiss_search(faiss, left, right, K)
    means = [scores.mean(1) for scores, _ in both]
    answers = []
    for (scores, places), own, other in zip(both, means, reversed(means), strict=True):
        margins = scores / ((own[:, None] + other[places]) / 2)
        answers.append(places[range(len(places)), margins.argmax(1)])
    return answers


def main():
    """Time the tasks and print the line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--width", type=int, required=True)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    # Both libraries read these when they are loaded.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(arguments.threads)
    import numpy as np

    tasks = {"numpy_cosine": (numpy_cosine, np), "numpy_margin": (numpy_margin, np)}
    try:
        import faiss

        faiss.omp_set_num_threads(arguments.threads)
        tasks |= {"faiss_cosine": (faiss_cosine, faiss), "faiss_margin": (faiss_margin, faiss)}
    except ImportError:
        pass
    left, right = (
        np.fromfile(arguments.folder / f"{side}.f32", dtype="<f4").reshape(-1, arguments.width)
        for side in ("left", "right")
    )
    _ = left[:1000] @ right[:1000].T
    line = {}
    for name, (task, library) in tasks.items():
        started = time.perf_counter()
        answers = task(library, left, right)
        line[name] = round(time.perf_counter() - started, 6)
        np.concatenate(answers).astype("<i8").tofile(arguments.folder / f"{name}.i64")
    print(json.dumps(line))


if __name__ == "__main__":
    main()
