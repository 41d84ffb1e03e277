"""What multiprocessing shares between processes: its queue, lock, semaphore and value."""
import multiprocessing
import time

from serving import check, rate, serve


def put(queue, item, count):
    for _ in range(count):
        queue.put(item)


def flow(writers, item, count):
    """This process reads what the writers put, all of them started and at it."""
    queue = multiprocessing.Queue()
    processes = [multiprocessing.Process(target=put, args=(queue, item, count // writers)) for _ in range(writers)]
    for process in processes:
        process.start()
    queue.get()

    def work():
        for _ in range(count // writers * writers - 1):
            check(len(item), len(queue.get()))
    value = rate(count - 1, work)
    for process in processes:
        process.join()
    return value


def nanoseconds(count, work):
    begin = time.perf_counter_ns()
    for _ in range(count):
        work()
    return {"value": (time.perf_counter_ns() - begin) / count}


def lock(count):
    shared = multiprocessing.Lock()

    def work():
        shared.acquire()
        shared.release()
    return nanoseconds(count, work)


def semaphore(count):
    shared = multiprocessing.Semaphore(5)

    def work():
        shared.acquire()
        shared.release()
    return nanoseconds(count, work)


def increment(count):
    shared = multiprocessing.Value("i", 0)

    def work():
        with shared.get_lock():
            shared.value += 1
    answer = nanoseconds(count, work)
    check(count, shared.value)
    return answer


if __name__ == "__main__":
    serve({
        "text-1": lambda count: {"value": flow(1, "hello", count)},
        "text-4": lambda count: {"value": flow(4, "hello", count)},
        "kib": lambda count: {"value": flow(1, bytes(1024), count)},
        "mib": lambda count: {"value": flow(1, bytes(1024 * 1024), count) * 1024 * 1024 / 1e9},
        "lock": lock,
        "semaphore": semaphore,
        "increment": increment,
    })
