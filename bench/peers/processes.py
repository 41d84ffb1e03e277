"""Starting processes in Python, what an idle one weighs, and pools of many of them."""
import multiprocessing
import os
import time

from serving import check, microseconds_each, percentiles, serve


def echo(x):
    return x


def pid_after_pause(_):
    time.sleep(0.1)
    return os.getpid()


def first_line(pipe):
    now = time.monotonic_ns()
    pipe.send(now)


def first_line_now():
    return time.monotonic_ns()


def fork(count):
    """os.fork to the child's first line, in ms; the machine is left idle for 20 ms before each, as on our side."""
    samples = []
    for _ in range(count):
        reader, writer = os.pipe()
        time.sleep(0.02)
        begin = time.monotonic_ns()
        child = os.fork()
        if child == 0:
            now = time.monotonic_ns()
            os.write(writer, now.to_bytes(8, "little"))
            os._exit(0)
        samples.append((int.from_bytes(os.read(reader, 8), "little") - begin) / 1e6)
        os.waitpid(child, 0)
        os.close(reader)
        os.close(writer)
    return percentiles(samples)


def spawn(count):
    context = multiprocessing.get_context("spawn")
    samples = []
    for i in range(count + 1):
        reader, writer = context.Pipe(False)
        child = context.Process(target=first_line, args=(writer,))
        begin = time.monotonic_ns()
        child.start()
        now = reader.recv()
        child.join()
        if i > 0:                      # the first also starts the resource tracker
            samples.append((now - begin) / 1e6)
        reader.close()
        writer.close()
    return percentiles(samples)


def pool_first_line(count):
    """multiprocessing.Pool(2).apply to the function's first line, after the same 20 ms of nothing."""
    samples = []
    with multiprocessing.Pool(2) as workers:
        workers.map(echo, range(200))
        for _ in range(count):
            time.sleep(0.02)
            begin = time.monotonic_ns()
            samples.append((workers.apply(first_line_now) - begin) / 1e6)
    return percentiles(samples)


def pss(pid):
    with open(f"/proc/{pid}/smaps_rollup") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def memory(method):
    """PSS in MiB of a pool's idle workers, which have done one call each, and of one more: parent and workers with four
    workers, less the same with two, by two."""
    def measure(_):
        context = multiprocessing.get_context(method)
        pids = set()

        def grow(to):
            workers = context.Pool(2)
            while len(pids) < to:
                pids.update(workers.map(pid_after_pause, range(4), 1))
            time.sleep(0.3)
            each = [pss(pid) for pid in pids]
            return workers, sum(each) / len(each), sum(each) + pss(os.getpid())
        with context.Pool(1) as first:     # so that what the parent itself needs for pools is there already
            first.map(echo, range(10))
            first.close()
            first.join()
        two, mean, with_two = grow(2)
        four, _, with_four = grow(4)
        for workers in (two, four):
            workers.terminate()
            workers.join()
        return {"mean": mean, "marginal": (with_four - with_two) / 2}
    return measure


def cpu_ns(pid):
    """Processor time of all threads of a process, to the nanosecond."""
    return time.clock_gettime_ns(~pid << 3 | 2)


def battery(size):
    def measure(count):
        begin = time.monotonic_ns()
        with multiprocessing.Pool(size) as workers:
            workers.map(echo, range(size), 1)
            warm = (time.monotonic_ns() - begin) / 1e6
            one = microseconds_each(lambda i: workers.apply(echo, (i,)), count)["p50"]
            pids = [os.getpid(), *(child.pid for child in multiprocessing.active_children())]
            check(size + 1, len(pids))
            time.sleep(1)
            before = sum(map(cpu_ns, pids))
            begin = time.monotonic_ns()
            time.sleep(2)
            idle = (sum(map(cpu_ns, pids)) - before) / (time.monotonic_ns() - begin) * 100
        return {"warm-up": warm, "p50": one, "idle": idle}
    return measure


if __name__ == "__main__":
    serve({
        "fork": fork, "spawn": spawn, "pool": pool_first_line, "memory-spawn": memory("spawn"), "memory-fork": memory("fork"),
        **{f"battery-{size}": battery(size) for size in (1, 2, 8, 50, 200)},
    })
