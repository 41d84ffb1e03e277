using ManyHands.Bench.Running;

namespace ManyHands.Bench.Subjects;

/// <summary>Many small calls under way at once, one message each.</summary>
internal sealed class ThroughputSubject : Subject
{
    public ThroughputSubject(Options options)
        : base("throughput", options)
    {
        const int many = 100_000;
        Contender python = Contender.Python("multiprocessing.Pool", "pool.py");
        Contender executors = Contender.Python("", "executors.py");
        Measurement outstanding = Measure(Ours, "outstanding", many, OutstandingAsync);
        Measurement applyAsync = Measure(python.Named("Pool.apply_async"), "apply_async", many);
        Measurement unordered = Measure(Ours, "unordered", many, UnorderedAsync);
        Measurement imapUnordered = Measure(python.Named("Pool.imap_unordered(chunksize=1)"), "imap_unordered", many);
        Measurement executor = Measure(executors.Named("ProcessPoolExecutor"), "executor-submit", 10_000);
        Measurement loky = Measure(executors.Named("joblib, loky"), "loky", 10_000);
        Measurement lokySingle = Measure(executors.Named("joblib, loky, batch_size=1"), "loky-single", 3_000);
        Measurement pebble = Measure(executors.Named("pebble"), "pebble-schedule", 10_000);
        Rounds = 3;
        Outstanding = outstanding.Value;

        Compare("all outstanding, then awaited", "calls/s", outstanding.Value, applyAsync.Value, Goal.AtLeast(40));
        Compare("MapUnorderedAsync", "calls/s", unordered.Value, imapUnordered.Value, Goal.AtLeast(40));
        Compare("all outstanding, beside concurrent.futures", "calls/s", outstanding.Value, executor.Value);
        Compare("all outstanding, beside loky in batches", "calls/s", outstanding.Value, loky.Value);
        Compare("all outstanding, beside loky one by one", "calls/s", outstanding.Value, lokySingle.Value);
        Compare("all outstanding, beside pebble", "calls/s", outstanding.Value, pebble.Value);
    }

    public Metric Outstanding { get; }

    private async Task<Dictionary<string, double>> OutstandingAsync(int count)
    {
        Pool pool = await TwoProcessesAsync();
        return Figures.Of(await Timing.RateAsync(count, async () =>
        {
            Task<int>[] calls = new Task<int>[count];
            for (int i = 0; i < count; i++)
                calls[i] = pool.RunAsync(Work.Echo, i);
            int[] results = await Task.WhenAll(calls);
            Figures.Check(Work.Sum(count), results.Sum(each => (long)each), "The sum of all results");
        }));
    }

    private async Task<Dictionary<string, double>> UnorderedAsync(int count)
    {
        Pool pool = await TwoProcessesAsync();
        return Figures.Of(await Timing.RateAsync(count, async () =>
        {
            long sum = 0;
            await foreach (int each in pool.MapUnorderedAsync(Work.Echo, Enumerable.Range(0, count)))
                sum += each;
            Figures.Check(Work.Sum(count), sum, "The sum of all results");
        }));
    }
}
