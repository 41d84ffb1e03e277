"""multiprocessing.Pool(2) as everybody gets it: calls, throughput, map, payloads."""
import functools
import multiprocessing
import time

from serving import check, microseconds_each, rate, serve


def echo(x):
    return x


def produce(size):
    return bytes(size)


@functools.cache
def pool():
    workers = multiprocessing.Pool(2)
    workers.map(echo, range(2_000))
    return workers


def apply(count):
    workers = pool()
    return microseconds_each(lambda i: workers.apply(echo, (i,)), count)


def apply_async(count):
    workers = pool()

    def work():
        pending = [workers.apply_async(echo, (i,)) for i in range(count)]
        check(count * (count - 1) // 2, sum(each.get() for each in pending))
    return {"value": rate(count, work)}


def imap_unordered(count):
    workers = pool()
    return {"value": rate(count, lambda: check(count * (count - 1) // 2, sum(workers.imap_unordered(echo, range(count), chunksize=1))))}


def map_default(count):
    workers = pool()

    def work():
        check(count, len(results := workers.map(echo, range(count))))
        check(count - 1, results[-1])
    return {"value": rate(count, work)}


def gigabytes(size, count, call):
    """Each of `count` transfers is timed; the median one counts."""
    rates = sorted(rate(size / 1e9, lambda: check(size, call())) for _ in range(count))
    return {"value": rates[len(rates) // 2]}


def argument(size):
    payload = b"x" * size

    def measure(count):
        workers = pool()
        return gigabytes(size, count, lambda: workers.apply(len, (payload,)))
    return measure


def result(size):
    def measure(count):
        workers = pool()
        return gigabytes(size, count, lambda: len(workers.apply(produce, (size,))))
    return measure


if __name__ == "__main__":
    sizes = {"1KiB": 1 << 10, "1MiB": 1 << 20, "64MiB": 64 << 20}
    serve({
        "apply": apply, "apply_async": apply_async, "imap_unordered": imap_unordered, "map": map_default,
        **{f"argument-{name}": argument(size) for name, size in sizes.items()},
        **{f"result-{name}": result(size) for name, size in sizes.items()},
    })
