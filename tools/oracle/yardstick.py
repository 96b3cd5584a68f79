"""What the yardsticks share: memory and times."""
import resource
import time


def peak_bytes():
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def seconds(body, untimed, repeats, settle=lambda: None, inner=1):
    """Sorted seconds of one call of `body`, each the mean of `inner` calls in a row. `settle` waits
    until the device has done what it was given."""
    times = []
    for i in range(untimed + repeats):
        settle()
        started = time.perf_counter()
        for _ in range(inner):
            body()
        settle()
        if i >= untimed:
            times.append((time.perf_counter() - started) / inner)
    return sorted(times)


def median(ordered):
    return ordered[len(ordered) // 2]
