"""gevent: greenlets spawned and joined, asleep, and in a pool of a hundred."""
import os

from serving import check, rate, serve


def nothing():
    pass


def spawn(count):
    import gevent
    done = []

    def work():
        done.extend(gevent.joinall([gevent.spawn(nothing) for _ in range(count)]))
    answer = {"value": rate(count, work)}
    check(count, len(done))
    return answer


def resident_bytes():
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) * 1024


def asleep(count):
    import gevent
    gevent.joinall([gevent.spawn(gevent.sleep, 0) for _ in range(100)])
    started = 0

    def nap():
        nonlocal started
        started += 1
        gevent.sleep(3600)
    before = resident_bytes()
    sleepers = [gevent.spawn(nap) for _ in range(count)]
    while started < count:
        gevent.sleep(0.01)
    check(count, len(sleepers))
    return {"value": (resident_bytes() - before) / count}


def pool_map(count):
    import gevent
    from gevent.pool import Pool

    def turn(i):
        gevent.sleep(0)
        return i
    workers = Pool(100)
    return {"value": rate(count, lambda: check(count * (count - 1) // 2, sum(workers.map(turn, range(count)))))}


if __name__ == "__main__":
    serve({"spawn": spawn, "asleep": asleep, "pool-map": pool_map})
    os._exit(0)                        # waking 100,000 sleepers to end them takes longer than all else here
