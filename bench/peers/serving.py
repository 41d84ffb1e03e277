"""What every contender speaks with the runner: a request is the line "what count", the answer one line of JSON with
named figures, {"error": ...} or {"missing": module}. It ends when standard input does."""
import json
import sys
import time


def serve(measurements):
    for line in sys.stdin:
        what, count = line.split()
        try:
            answer = measurements[what](int(count))
        except ImportError as missing:
            answer = {"missing": missing.name or str(missing)}
        except Exception as failure:
            answer = {"error": f"{type(failure).__name__}: {failure}"}
        print(json.dumps(answer), flush=True)


def percentiles(samples):
    samples = sorted(samples)
    return {"p50": samples[len(samples) // 2], "p99": samples[int(len(samples) * 0.99)]}


def microseconds_each(call, count):
    """Percentiles of single calls; each must answer what it was given."""
    samples = []
    for i in range(count):
        begin = time.perf_counter_ns()
        result = call(i)
        samples.append((time.perf_counter_ns() - begin) / 1e3)
        check(i, result)
    return percentiles(samples)


def rate(amount, work):
    begin = time.perf_counter_ns()
    work()
    return amount / ((time.perf_counter_ns() - begin) / 1e9)


def check(expected, actual):
    if expected != actual:
        raise RuntimeError(f"the result is {actual!r}, expected {expected!r}")
