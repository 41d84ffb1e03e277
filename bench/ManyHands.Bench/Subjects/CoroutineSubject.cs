using ManyHands.Bench.Running;

namespace ManyHands.Bench.Subjects;

/// <summary>Coroutines: starting and joining them, what one weighs that sleeps, and a pool of a hundred.</summary>
internal sealed class CoroutineSubject : Subject
{
    public CoroutineSubject(Options options)
        : base("coroutine", options)
    {
        const int many = 100_000;
        Contender gevent = Contender.Python("gevent", "coroutines.py");
        Measurement start = Measure(Ours, "start", many, StartAsync);
        Measurement spawn = Measure(gevent, "spawn", many);
        Measurement asleep = Measure(Ours.Fresh(), "asleep", many, AsleepAsync);
        Measurement theirsAsleep = Measure(gevent.Fresh(), "asleep", many);
        Measurement map = Measure(Ours, "pool-map", 10_000, PoolMapAsync);
        Measurement theirMap = Measure(gevent.Named("gevent.pool.Pool(100).map"), "pool-map", 10_000);
        Rounds = 3;

        Compare("start and join 100 k", "coroutines/s", start.Value, spawn.Value, Goal.AtLeast(20));
        Compare("memory of one of 100 k asleep: resident", "bytes", asleep["resident"], theirsAsleep.Value, Goal.AtMostOneIn(10));
        Compare("memory of one of 100 k asleep: heap after a collection", "bytes", asleep["heap"], theirsAsleep.Value);
        Compare("Pool.Coroutines(100).MapAsync, yielding once", "items/s", map.Value, theirMap.Value);
    }

    private static async Task<Dictionary<string, double>> StartAsync(int count)
    {
        Coroutine[] coroutines = new Coroutine[count];
        double rate = await Timing.RateAsync(count, () =>
        {
            for (int i = 0; i < count; i++)
                coroutines[i] = Coroutine.Start(Work.NothingAsync);
            return Coroutine.JoinAllAsync(coroutines);
        });
        Figures.Check(count, coroutines.Count(each => each.State == WorkerState.Completed), "The number of completed coroutines");
        return Figures.Of(rate);
    }

    private static async Task<Dictionary<string, double>> AsleepAsync(int count)
    {
        await Coroutine.JoinAllAsync(from _ in Enumerable.Range(0, 100) select Coroutine.Start(() => Task.Delay(1)));
        int started = 0;
        TaskCompletionSource all = new(TaskCreationOptions.RunContinuationsAsynchronously);
        long heap = GC.GetTotalMemory(forceFullCollection: true);
        long resident = ProcessFigures.ResidentBytes();
        Coroutine[] sleepers = new Coroutine[count];
        for (int i = 0; i < count; i++)
        {
            sleepers[i] = Coroutine.Start(async () =>
            {
                if (++started == count)        // one thread for all of them
                    all.SetResult();
                await Task.Delay(TimeSpan.FromHours(1));
            });
        }

        await all.Task;
        Dictionary<string, double> figures = new()
        {
            ["resident"] = (ProcessFigures.ResidentBytes() - resident) / (double)count,
            ["heap"] = (GC.GetTotalMemory(forceFullCollection: true) - heap) / (double)count,
        };
        Figures.Check(WorkerState.Running.ToString(), sleepers[^1].State.ToString(), "The state of the last coroutine");
        return figures;
    }

    private static async Task<Dictionary<string, double>> PoolMapAsync(int count)
    {
        await using Pool pool = Pool.Coroutines(100);
        return Figures.Of(await Timing.RateAsync(count, async () =>
        {
            long sum = 0;
            await foreach (int each in pool.MapAsync(Work.YieldAsync, Enumerable.Range(0, count)))
                sum += each;
            Figures.Check(Work.Sum(count), sum, "The sum of all results");
        }));
    }
}
