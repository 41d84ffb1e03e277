"""multiprocessing.Pipe: messages there and back, and large ones one way."""
import multiprocessing
import time

from serving import check, percentiles, rate, serve

MEBIBYTE = 1024 * 1024


def answer(pipe):
    try:
        while True:
            pipe.send_bytes(pipe.recv_bytes())
    except EOFError:
        pass


def take(pipe, count):
    for i in range(count + 1):
        check(MEBIBYTE, len(pipe.recv_bytes()))
        if i in (0, count):
            pipe.send_bytes(b"1")


def with_child(function, *more):
    here, there = multiprocessing.Pipe()
    child = multiprocessing.Process(target=run, args=(function, here, there, *more))
    child.start()
    there.close()
    return here, child


def run(function, other, own, *more):
    other.close()
    function(own, *more)


def answers(size, count):
    pipe, child = with_child(answer)
    samples = []
    for i in range(count):
        message = bytes([i & 0xFF]) * size
        begin = time.perf_counter_ns()
        pipe.send_bytes(message)
        back = pipe.recv_bytes()
        samples.append((time.perf_counter_ns() - begin) / 1e3)
        check(message, back)
    pipe.close()
    child.join()
    return percentiles(samples)


def flow(count):
    pipe, child = with_child(take, count)
    message = bytes(MEBIBYTE)
    pipe.send_bytes(message)
    check(1, len(pipe.recv_bytes()))

    def work():
        for _ in range(count):
            pipe.send_bytes(message)
        check(1, len(pipe.recv_bytes()))
    value = rate(count * MEBIBYTE / 1e9, work)
    pipe.close()
    child.join()
    return {"value": value}


if __name__ == "__main__":
    serve({
        "16": lambda count: answers(16, count),
        "kib": lambda count: answers(1024, count),
        "mib": flow,
    })
