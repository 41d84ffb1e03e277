using ManyHands.Bench.Running;

namespace ManyHands.Bench.Subjects;

/// <summary>A function over a million numbers, with default settings on both sides, and what the same costs without leaving the process.</summary>
internal sealed class MapSubject : Subject
{
    public MapSubject(Options options)
        : base("map", options)
    {
        const int million = 1_000_000;
        Measurement map = Measure(Ours, "map", million, MapAsync);
        Measurement python = Measure(Contender.Python("Pool.map", "pool.py"), "map", million);
        Measurement threads = Measure(Ours.Named("Pool.Threads"), "threads", million, ThreadsAsync);
        Measurement parallelFor = Measure(Ours.Named("Parallel.For, in process"), "parallel-for", million, ParallelForAsync);
        Measurement forEach = Measure(Ours.Named("Parallel.ForEachAsync, in process"), "parallel-for-each", million, ParallelForEachAsync);
        Measurement run = Measure(Ours.Named("Task.Run, in process"), "task-run", million, TaskRunAsync);
        Rounds = 3;

        Compare("MapAsync over 1 M ints", "items/s", map.Value, python.Value, Goal.AtLeast(5));
        Compare("MapAsync over 1 M ints, beside Parallel.For", "items/s", map.Value, parallelFor.Value);
        Compare("MapAsync over 1 M ints, beside Parallel.ForEachAsync", "items/s", map.Value, forEach.Value);
        Compare("MapAsync over 1 M ints, beside Task.Run for each", "items/s", map.Value, run.Value);
        Compare("Pool.Threads(2).MapAsync over 1 M ints, beside Parallel.ForEachAsync", "items/s", threads.Value, forEach.Value);
    }

    private async Task<Dictionary<string, double>> MapAsync(int count) => await MapAsync(await TwoProcessesAsync(), count);

    private static async Task<Dictionary<string, double>> ThreadsAsync(int count)
    {
        await using Pool pool = Pool.Threads(2);
        await pool.WarmUpAsync();
        return await MapAsync(pool, count);
    }

    private static async Task<Dictionary<string, double>> MapAsync(Pool pool, int count) =>
        Figures.Of(await Timing.RateAsync(count, async () =>
        {
            int next = 0;
            await foreach (int each in pool.MapAsync(Work.Echo, Enumerable.Range(0, count)))
                Figures.Check(next++, each, "A result");
            Figures.Check(count, next, "The number of results");
        }));

    private static async Task<Dictionary<string, double>> ParallelForAsync(int count)
    {
        int[] results = new int[count];
        double rate = await Timing.RateAsync(count, () =>
        {
            Parallel.For(0, count, i => results[i] = Work.Echo(i));
            return Task.CompletedTask;
        });
        return Checked(results, rate);
    }

    private static async Task<Dictionary<string, double>> ParallelForEachAsync(int count)
    {
        int[] results = new int[count];
        double rate = await Timing.RateAsync(count, () => Parallel.ForEachAsync(Enumerable.Range(0, count), (i, _) =>
        {
            results[i] = Work.Echo(i);
            return ValueTask.CompletedTask;
        }));
        return Checked(results, rate);
    }

    private static async Task<Dictionary<string, double>> TaskRunAsync(int count)
    {
        int[] results = [];
        double rate = await Timing.RateAsync(count, async () => results = await Task.WhenAll(Enumerable.Range(0, count).Select(i => Task.Run(() => Work.Echo(i)))));
        return Checked(results, rate);
    }

    private static Dictionary<string, double> Checked(int[] results, double rate)
    {
        Figures.Check(Work.Sum(results.Length), results.Sum(each => (long)each), "The sum of all results");
        return Figures.Of(rate);
    }
}
