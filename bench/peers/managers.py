"""multiprocessing.managers.BaseManager over TCP of this machine with an authkey: one client's operations, tasks to results, connecting.
As "managers.py client host port key what count" it is only a client, of whichever server listens there, and prints its figures."""
import json
import multiprocessing
import queue
import sys
import time
from multiprocessing.managers import BaseManager

from serving import check, percentiles, serve

KEY = b"sixteen bytes or more"


class Server(BaseManager):
    pass


class Client(BaseManager):
    pass


Client.register("tasks")
Client.register("results")


def start():
    tasks, results = queue.Queue(), queue.Queue()
    Server.register("tasks", callable=lambda: tasks)
    Server.register("results", callable=lambda: results)
    manager = Server(("127.0.0.1", 0), KEY)
    manager.start()
    return manager


def connect(address, key=KEY):
    client = Client(address, key)
    client.connect()
    return client


def put_and_get(address, key, count):
    tasks = connect(address, key).tasks()
    tasks.put(0)
    check(0, tasks.get())
    samples = []
    begin = time.perf_counter_ns()
    for i in range(count // 2):
        before = time.perf_counter_ns()
        tasks.put(i)
        samples.append((time.perf_counter_ns() - before) / 1e3)
        check(i, tasks.get())
    return {"value": count // 2 * 2 / ((time.perf_counter_ns() - begin) / 1e9), **percentiles(samples)}


def connecting(address, key, count):
    samples = []
    for _ in range(count):
        begin = time.perf_counter_ns()
        connect(address, key).results().qsize()
        samples.append((time.perf_counter_ns() - begin) / 1e3)
    return percentiles(samples)


def work(address, key, count):
    client = connect(address, key)
    tasks, results = client.tasks(), client.results()
    for _ in range(count):
        i = tasks.get()
        results.put("%d * %d = %d" % (i, i, i * i))


def in_process(function, *arguments):
    """A fresh client process, as which cores the two sides are on decides most of the time."""
    reader, writer = multiprocessing.Pipe(False)
    process = multiprocessing.Process(target=lambda: writer.send(function(*arguments)))
    process.start()
    answer = reader.recv()
    process.join()
    return answer


def of_client(function):
    def measure(count):
        manager = start()
        try:
            return in_process(function, manager.address, KEY, count)
        finally:
            manager.shutdown()
    return measure


def tasks_to_results(workers):
    def measure(count):
        manager = start()
        try:
            tasks, results = manager.tasks(), manager.results()
            processes = [multiprocessing.Process(target=work, args=(manager.address, KEY, count // workers)) for _ in range(workers)]
            for process in processes:
                process.start()
            begin = time.perf_counter_ns()
            for i in range(count // workers * workers):
                tasks.put(i)
            for _ in range(count // workers * workers):
                results.get(timeout=30)
            value = count // workers * workers / ((time.perf_counter_ns() - begin) / 1e9)
            for process in processes:
                process.join()
            return {"value": value}
        finally:
            manager.shutdown()
    return measure


def tasks_alone(count):
    """One task at a time, to a worker and back."""
    manager = start()
    try:
        tasks, results = manager.tasks(), manager.results()
        process = multiprocessing.Process(target=work, args=(manager.address, KEY, count + 1))
        process.start()
        tasks.put(0)
        results.get(timeout=30)
        samples = []
        for i in range(count):
            before = time.perf_counter_ns()
            tasks.put(i)
            results.get(timeout=30)
            samples.append((time.perf_counter_ns() - before) / 1e3)
        process.join()
        return percentiles(samples)
    finally:
        manager.shutdown()


def main():
    if sys.argv[1:2] == ["client"]:
        host, port, key, what, count = sys.argv[2:]
        function = {"pairs": put_and_get, "connect": connecting}[what]
        print(json.dumps(function((host, int(port)), key.encode(), int(count))))
        return
    serve({
        "pairs": of_client(put_and_get),
        "connect": of_client(connecting),
        "tasks-1": tasks_to_results(1),
        "tasks-2": tasks_to_results(2),
        "alone": tasks_alone,
    })


if __name__ == "__main__":
    main()
