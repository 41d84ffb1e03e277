using ManyHands.Bench.Running;

namespace ManyHands.Bench.Subjects;

/// <summary>What people write without this library: a child of their own with JSON or an RPC library over its pipes, and the framework's own ways in process.</summary>
internal sealed class TodaySubject : Subject
{
    public TodaySubject(Options options)
        : base("today", options)
    {
        const int some = 2_000;
        const int many = 20_000;
        Contender jsonLines = Contender.DotNet("JSON lines over a child's pipes", "JsonLines");
        Contender jsonRpc = Contender.DotNet("StreamJsonRpc over a child's pipes", "JsonRpc");
        Measurement one = Measure(Ours, "one", some, OneAsync);
        Measurement lineOne = Measure(jsonLines, "one", some);
        Measurement rpcOne = Measure(jsonRpc, "one", some);
        Measurement outstanding = Measure(Ours, "outstanding", many, OutstandingAsync);
        Measurement lineOutstanding = Measure(jsonLines, "outstanding", many);
        Measurement rpcOutstanding = Measure(jsonRpc, "outstanding", many);
        Measurement threadsOne = Measure(Ours.Named("Pool.Threads"), "threads-one", some, ThreadsOneAsync);
        Measurement runOne = Measure(Ours.Named("Task.Run, in process"), "task-run-one", some, TaskRunOneAsync);
        Measurement threadsEach = Measure(Ours.Named("Pool.Threads"), "threads-each", many, ThreadsEachAsync);
        Measurement parallelEach = Measure(Ours.Named("Parallel.ForEachAsync, in process"), "parallel-each", many, ParallelEachAsync);

        Compare("one at a time, p50", "µs", one["p50"], lineOne["p50"]);
        Compare("one at a time, beside StreamJsonRpc, p50", "µs", one["p50"], rpcOne["p50"]);
        Compare("all outstanding", "calls/s", outstanding.Value, lineOutstanding.Value);
        Compare("all outstanding, beside StreamJsonRpc", "calls/s", outstanding.Value, rpcOutstanding.Value);
        Compare("Pool.Threads(2).RunAsync, one at a time, p50", "µs", threadsOne["p50"], runOne["p50"]);
        Compare("Pool.Threads(2).ForEachAsync", "items/s", threadsEach.Value, parallelEach.Value);
    }

    private async Task<Dictionary<string, double>> OneAsync(int count)
    {
        Pool pool = await TwoProcessesAsync();
        return await Timing.MicrosecondsEachAsync(count, i => pool.RunAsync(Work.Echo, i));
    }

    private async Task<Dictionary<string, double>> OutstandingAsync(int count)
    {
        Pool pool = await TwoProcessesAsync();
        return Figures.Of(await Timing.RateAsync(count, async () =>
        {
            int[] results = await Task.WhenAll(Enumerable.Range(0, count).Select(i => pool.RunAsync(Work.Echo, i)));
            Figures.Check(Work.Sum(count), results.Sum(each => (long)each), "The sum of all results");
        }));
    }

    private static async Task<Dictionary<string, double>> ThreadsOneAsync(int count)
    {
        await using Pool pool = Pool.Threads(2);
        await pool.WarmUpAsync();
        return await Timing.MicrosecondsEachAsync(count, i => pool.RunAsync(Work.Echo, i));
    }

    private static Task<Dictionary<string, double>> TaskRunOneAsync(int count) => Timing.MicrosecondsEachAsync(count, i => Task.Run(() => Work.Echo(i)));

    private static async Task<Dictionary<string, double>> ThreadsEachAsync(int count)
    {
        await using Pool pool = Pool.Threads(2);
        await pool.WarmUpAsync();
        long sum = 0;
        double rate = await Timing.RateAsync(count, () => pool.ForEachAsync<int>(i => Interlocked.Add(ref sum, i), Enumerable.Range(0, count)));
        Figures.Check(Work.Sum(count), sum, "The sum of all items");
        return Figures.Of(rate);
    }

    private static async Task<Dictionary<string, double>> ParallelEachAsync(int count)
    {
        long sum = 0;
        double rate = await Timing.RateAsync(count, () => Parallel.ForEachAsync(Enumerable.Range(0, count), (i, _) =>
        {
            Interlocked.Add(ref sum, i);
            return ValueTask.CompletedTask;
        }));
        Figures.Check(Work.Sum(count), sum, "The sum of all items");
        return Figures.Of(rate);
    }
}
