using System.Diagnostics;
using ManyHands.Bench.Running;

namespace ManyHands.Bench.Subjects;

/// <summary>Two processes that want the same at the same time, or wait for each other, from when both are there.</summary>
internal sealed class ContentionSubject : Subject
{
    public ContentionSubject(Options options)
        : base("contention", options)
    {
        Contender python = Contender.Python("multiprocessing", "handing.py");
        (string What, string Name, int Count, Func<int, Task<Dictionary<string, double>>> Measure)[] all =
        [
            ("lock", "SharedLock, entered and left by two", 2_000_000, LockAsync),
            ("semaphore", "SharedSemaphore, handed to and fro", 100_000, SemaphoreAsync),
            ("value", "SharedValue, incremented by two", 1_000_000, ValueAsync),
            ("barrier", "SharedBarrier of two, passed", 20_000, BarrierAsync),
            ("event", "SharedEvent, set for each other", 20_000, EventAsync),
            ("condition", "SharedCondition, in turns", 20_000, ConditionAsync),
        ];
        Rounds = 3;
        foreach ((string what, string name, int count, Func<int, Task<Dictionary<string, double>>> measure) in all)
        {
            Compare(name, "per s", Measure(Ours, what, count, measure).Value, Measure(python, what, count).Value, Goal.AtLeast(5));
            Compare($"{name}, all on one core", "per s", Measure(Ours.OnOneCore(), what, count, measure).Value, Measure(python.OnOneCore(), what, count).Value, Goal.AtLeast(5));
        }
    }

    private static async Task<Dictionary<string, double>> LockAsync(int count)
    {
        using SharedLock shared = new();
        return await PairAsync(Enter, shared, shared, count);
    }

    private static async Task<Dictionary<string, double>> SemaphoreAsync(int count)
    {
        using SharedSemaphore first = new(1, 1);
        using SharedSemaphore second = new(0, 1);
        return await PairAsync(HandOn, (first, second), (second, first), count);
    }

    private static async Task<Dictionary<string, double>> ValueAsync(int count)
    {
        using SharedValue<int> shared = new();
        Dictionary<string, double> figures = await PairAsync(Increment, shared, shared, count);
        Figures.Check(count / 2 * 2, shared.Value, "The value");
        return figures;
    }

    private static async Task<Dictionary<string, double>> BarrierAsync(int count)
    {
        using SharedBarrier shared = new(2);
        return await PairAsync(Meet, shared, shared, count);
    }

    private static async Task<Dictionary<string, double>> EventAsync(int count)
    {
        using SharedEvent first = new(isSet: true);
        using SharedEvent second = new();
        return await PairAsync(Signal, (first, second), (second, first), count);
    }

    private static async Task<Dictionary<string, double>> ConditionAsync(int count)
    {
        using SharedLock guard = new();
        using SharedCondition condition = new(guard);
        using SharedArray<int> turn = new(1);
        return await PairAsync(TakeTurns, (condition, turn, 0), (condition, turn, 1), count);
    }

    // Operations per second of both together.
    private static async Task<Dictionary<string, double>> PairAsync<T>(Action<SharedBarrier, T, int> function, T first, T second, int count)
    {
        using SharedBarrier ready = new(3);
        await using WorkerProcess one = WorkerProcess.Start(function, ready, first, count / 2);
        await using WorkerProcess other = WorkerProcess.Start(function, ready, second, count / 2);
        await ready.SignalAndWaitAsync();
        long begin = Stopwatch.GetTimestamp();
        await one.JoinAsync();
        await other.JoinAsync();
        TimeSpan time = Stopwatch.GetElapsedTime(begin);
        Figures.Check((0, 0), (one.ExitCode ?? -1, other.ExitCode ?? -1), "How the two ended");
        return Figures.Of(count / 2 * 2 / time.TotalSeconds);
    }

    private static void Enter(SharedBarrier ready, SharedLock shared, int count)
    {
        ready.SignalAndWait();
        for (int i = 0; i < count; i++)
            shared.Enter().Dispose();
    }

    private static void HandOn(SharedBarrier ready, (SharedSemaphore Mine, SharedSemaphore Other) semaphores, int count)
    {
        ready.SignalAndWait();
        for (int i = 0; i < count; i++)
        {
            semaphores.Mine.Wait();
            semaphores.Other.Release();
        }
    }

    private static void Increment(SharedBarrier ready, SharedValue<int> shared, int count)
    {
        ready.SignalAndWait();
        for (int i = 0; i < count; i++)
            shared.Increment();
    }

    private static void Meet(SharedBarrier ready, SharedBarrier shared, int count)
    {
        ready.SignalAndWait();
        for (int i = 0; i < count; i++)
            shared.SignalAndWait();
    }

    private static void Signal(SharedBarrier ready, (SharedEvent Mine, SharedEvent Other) events, int count)
    {
        ready.SignalAndWait();
        for (int i = 0; i < count; i++)
        {
            events.Mine.Wait();
            events.Mine.Reset();
            events.Other.Set();
        }
    }

    private static void TakeTurns(SharedBarrier ready, (SharedCondition Condition, SharedArray<int> Turn, int Side) shared, int count)
    {
        ready.SignalAndWait();
        for (int i = 0; i < count; i++)
        {
            using (shared.Condition.Lock.Enter())
            {
                while (shared.Turn[0] != shared.Side)
                    shared.Condition.Wait();
                shared.Turn[0] = 1 - shared.Side;
                shared.Condition.Notify();
            }
        }
    }
}
