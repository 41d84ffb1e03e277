// What two processes of this machine can do in plain C: the floor under every other figure.
// It speaks like every contender (see serving.py): "what count" in, a line of JSON with named figures out.
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#define RELAX() __builtin_ia32_pause()
#else
#define RELAX() atomic_signal_fence(memory_order_seq_cst)
#endif

enum { CACHE_LINE = 64 };

static int64_t nanoseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void *map_shared(size_t size) {
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    return memory;
}

static pid_t split(void) {
    pid_t child = fork();
    if (child < 0) {
        perror("fork");
        exit(1);
    }
    return child;
}

static int ascending(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return a < b ? -1 : a > b;
}

static void answer_percentiles(double *samples, int count) {
    qsort(samples, count, sizeof *samples, ascending);
    printf("{\"p50\": %.6g, \"p99\": %.6g}\n", samples[count / 2], samples[(int)(count * 0.99)]);
}

static void answer(double value) { printf("{\"value\": %.6g}\n", value); }

// fork, exit at once, wait: milliseconds.
static void measure_fork(int count) {
    double *samples = malloc(count * sizeof *samples);
    for (int i = 0; i < count; i++) {
        int64_t begin = nanoseconds();
        pid_t child = split();
        if (child == 0) _exit(0);
        waitpid(child, NULL, 0);
        samples[i] = (nanoseconds() - begin) / 1e6;
    }
    answer_percentiles(samples, count);
    free(samples);
}

// A word that one side sets and the other waits for. Nobody is woken who doesn't sleep.
typedef struct {
    _Alignas(CACHE_LINE) _Atomic uint32_t turn;
    _Alignas(CACHE_LINE) _Atomic uint32_t asleep;
} Signal;

static void signal_turn(Signal *signal, uint32_t turn) {
    atomic_store(&signal->turn, turn);
    if (atomic_load(&signal->asleep)) syscall(SYS_futex, &signal->turn, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void await_turn(Signal *signal, uint32_t turn, int64_t spin) {
    if (spin > 0) {
        int64_t until = nanoseconds() + spin;
        do {
            for (int i = 0; i < 50; i++) {
                if (atomic_load_explicit(&signal->turn, memory_order_acquire) == turn) return;
                RELAX();
            }
        } while (nanoseconds() < until);
    }
    atomic_store(&signal->asleep, 1);
    for (uint32_t seen; (seen = atomic_load(&signal->turn)) != turn;) syscall(SYS_futex, &signal->turn, FUTEX_WAIT, seen, NULL, NULL, 0);
    atomic_store(&signal->asleep, 0);
}

// There and back between two processes: microseconds.
static void measure_ping_pong(int count, int64_t spin) {
    struct { Signal there, back; } *shared = map_shared(sizeof *shared);
    pid_t child = split();
    if (child == 0) {
        for (int i = 1; i <= count; i++) {
            await_turn(&shared->there, i, spin);
            signal_turn(&shared->back, i);
        }
        _exit(0);
    }
    double *samples = malloc(count * sizeof *samples);
    for (int i = 1; i <= count; i++) {
        int64_t begin = nanoseconds();
        signal_turn(&shared->there, i);
        await_turn(&shared->back, i, spin);
        samples[i - 1] = (nanoseconds() - begin) / 1e3;
    }
    waitpid(child, NULL, 0);
    answer_percentiles(samples, count);
    free(samples);
    munmap(shared, sizeof *shared);
}

// One producer, one consumer, messages of 8 bytes through a ring: messages per second. The sum proves that all arrived.
static void measure_ring(int count) {
    enum { SLOTS = 1 << 13, BATCH = 64 };
    struct {
        _Alignas(CACHE_LINE) _Atomic uint64_t written;
        _Alignas(CACHE_LINE) _Atomic uint64_t read;
        _Alignas(CACHE_LINE) uint64_t sum;
        _Alignas(CACHE_LINE) uint64_t slots[SLOTS];
    } *ring = map_shared(sizeof *ring);
    int64_t begin = nanoseconds();
    pid_t child = split();
    if (child == 0) {
        uint64_t available = 0, sum = 0;
        for (uint64_t i = 0; i < (uint64_t)count; i++) {
            while (i == available)
                if ((available = atomic_load_explicit(&ring->written, memory_order_acquire)) == i) RELAX();
            sum += ring->slots[i % SLOTS];
            if (i % BATCH == BATCH - 1) atomic_store_explicit(&ring->read, i + 1, memory_order_release);
        }
        ring->sum = sum;
        _exit(0);
    }
    uint64_t limit = SLOTS;
    for (uint64_t i = 0; i < (uint64_t)count; i++) {
        while (i == limit)
            if ((limit = atomic_load_explicit(&ring->read, memory_order_acquire) + SLOTS) == i) RELAX();
        ring->slots[i % SLOTS] = i;
        atomic_store_explicit(&ring->written, i + 1, memory_order_release);
    }
    waitpid(child, NULL, 0);
    double seconds = (nanoseconds() - begin) / 1e9;
    if (ring->sum == (uint64_t)count * (count - 1) / 2)
        answer(count / seconds);
    else
        printf("{\"error\": \"the ring lost messages\"}\n");
    munmap(ring, sizeof *ring);
}

// 64 MiB from one place to another that has been touched: GB per second.
static void measure_copy(int count) {
    const size_t size = 64 << 20;
    char *from = malloc(size), *to = malloc(size);
    double *samples = malloc(count * sizeof *samples);
    memset(from, 1, size);
    memset(to, 2, size);
    for (int i = 0; i < count; i++) {
        from[i % size]++;
        int64_t begin = nanoseconds();
        memcpy(to, from, size);
        samples[i] = size / (double)(nanoseconds() - begin);
        if (memcmp(to, from, size) != 0) exit(1);
    }
    qsort(samples, count, sizeof *samples, ascending);
    answer(samples[count / 2]);
    free(samples);
    free(from);
    free(to);
}

// A robust mutex that processes share, entered and left with nobody else there: nanoseconds for both.
static void measure_mutex(int count) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_t *mutex = map_shared(sizeof *mutex);
    pthread_mutex_init(mutex, &attributes);
    int64_t begin = nanoseconds();
    for (int i = 0; i < count; i++) {
        pthread_mutex_lock(mutex);
        pthread_mutex_unlock(mutex);
    }
    answer((double)(nanoseconds() - begin) / count);
    munmap(mutex, sizeof *mutex);
}

int main(void) {
    char what[64];
    int count;
    while (scanf("%63s %d", what, &count) == 2) {
        if (strcmp(what, "fork") == 0)
            measure_fork(count);
        else if (strcmp(what, "futex") == 0)
            measure_ping_pong(count, 0);
        else if (strcmp(what, "spin") == 0)
            measure_ping_pong(count, 20000);
        else if (strcmp(what, "ring") == 0)
            measure_ring(count);
        else if (strcmp(what, "mutex") == 0)
            measure_mutex(count);
        else if (strcmp(what, "copy") == 0)
            measure_copy(count);
        else
            printf("{\"error\": \"%s is not measured here\"}\n", what);
        fflush(stdout);
    }
    return 0;
}
