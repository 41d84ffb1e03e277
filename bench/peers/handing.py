"""Two processes at one lock, semaphore, value, barrier, event or condition of multiprocessing, from when both are there."""
import multiprocessing
import time

from serving import check, serve


def pair(function, mine, count):
    """Operations per second of both together; each is given what it is to use."""
    ready = multiprocessing.Barrier(3)
    processes = [multiprocessing.Process(target=run, args=(ready, function, mine[side], side, count // 2)) for side in (0, 1)]
    for process in processes:
        process.start()
    ready.wait()
    begin = time.perf_counter_ns()
    for process in processes:
        process.join()
    value = count // 2 * 2 / ((time.perf_counter_ns() - begin) / 1e9)
    for process in processes:
        check(0, process.exitcode)
    return {"value": value}


def run(ready, function, mine, side, count):
    ready.wait()
    function(mine, side, count)


def enter(lock, side, count):
    for _ in range(count):
        lock.acquire()
        lock.release()


def hand_on(semaphores, side, count):
    mine, other = semaphores
    for _ in range(count):
        mine.acquire()
        other.release()


def add(value, side, count):
    for _ in range(count):
        with value.get_lock():
            value.value += 1


def meet(barrier, side, count):
    for _ in range(count):
        barrier.wait()


def signal(events, side, count):
    mine, other = events
    for _ in range(count):
        mine.wait()
        mine.clear()
        other.set()


def take_turns(shared, side, count):
    condition, turn = shared
    for _ in range(count):
        with condition:
            while turn.value != side:
                condition.wait()
            turn.value = 1 - side
            condition.notify()


def lock(count):
    return pair(enter, [multiprocessing.Lock()] * 2, count)


def semaphore(count):
    first, second = multiprocessing.Semaphore(1), multiprocessing.Semaphore(0)
    return pair(hand_on, [(first, second), (second, first)], count)


def value(count):
    shared = multiprocessing.Value("i", 0)
    answer = pair(add, [shared] * 2, count)
    check(count // 2 * 2, shared.value)
    return answer


def barrier(count):
    return pair(meet, [multiprocessing.Barrier(2)] * 2, count)


def event(count):
    first, second = multiprocessing.Event(), multiprocessing.Event()
    first.set()
    return pair(signal, [(first, second), (second, first)], count)


def condition(count):
    shared = (multiprocessing.Condition(), multiprocessing.RawValue("i", 0))
    return pair(take_turns, [shared] * 2, count)


if __name__ == "__main__":
    serve({"lock": lock, "semaphore": semaphore, "value": value, "barrier": barrier, "event": event, "condition": condition})
