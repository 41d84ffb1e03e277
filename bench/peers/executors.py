"""The other pools of Python's world with two workers: concurrent.futures, joblib with loky, pebble."""
import functools
import importlib

from serving import check, microseconds_each, rate, serve


def echo(x):
    return x


@functools.cache
def executor():
    from concurrent.futures import ProcessPoolExecutor
    workers = ProcessPoolExecutor(2)
    list(workers.map(echo, range(200)))
    return workers


@functools.cache
def loky(**options):
    from joblib import Parallel, delayed
    workers = Parallel(n_jobs=2, backend="loky", **options).__enter__()
    workers(delayed(echo)(i) for i in range(200))
    return workers


@functools.cache
def pebble_pool():
    workers = importlib.import_module("pebble").ProcessPool(max_workers=2)
    for each in [workers.schedule(echo, args=[i]) for i in range(200)]:
        each.result()
    return workers


def total(count):
    return count * (count - 1) // 2


def executor_submit(count):
    workers = executor()

    def work():
        pending = [workers.submit(echo, i) for i in range(count)]
        check(total(count), sum(each.result() for each in pending))
    return {"value": rate(count, work)}


def executor_one(count):
    workers = executor()
    return microseconds_each(lambda i: workers.submit(echo, i).result(), count)


def loky_with(**options):
    def measure(count):
        from joblib import delayed
        workers = loky(**options)
        return {"value": rate(count, lambda: check(total(count), sum(workers(delayed(echo)(i) for i in range(count)))))}
    return measure


def pebble_schedule(count):
    workers = pebble_pool()

    def work():
        pending = [workers.schedule(echo, args=[i]) for i in range(count)]
        check(total(count), sum(each.result() for each in pending))
    return {"value": rate(count, work)}


def pebble_one(count):
    workers = pebble_pool()
    return microseconds_each(lambda i: workers.schedule(echo, args=[i]).result(), count)


if __name__ == "__main__":
    serve({
        "executor-submit": executor_submit, "executor-one": executor_one,
        "loky": loky_with(), "loky-single": loky_with(batch_size=1),
        "pebble-schedule": pebble_schedule, "pebble-one": pebble_one,
    })
