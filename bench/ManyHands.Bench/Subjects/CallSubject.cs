using ManyHands.Bench.Running;

namespace ManyHands.Bench.Subjects;

/// <summary>One small call, awaited before the next.</summary>
internal sealed class CallSubject : Subject
{
    public CallSubject(Options options)
        : base("call", options)
    {
        const int count = 3_000;
        Contender python = Contender.Python("multiprocessing.Pool.apply", "pool.py");
        Contender executors = Contender.Python("", "executors.py");
        Measurement call = Measure(Ours, "one", count, OneAsync);
        Measurement apply = Measure(python, "apply", count);
        Measurement pinned = Measure(Ours.OnOneCore(), "one", count, OneAsync);
        Measurement pinnedApply = Measure(python.OnOneCore(), "apply", count);
        Measurement executor = Measure(executors.Named("ProcessPoolExecutor"), "executor-one", count);
        Measurement pebble = Measure(executors.Named("pebble"), "pebble-one", count);
        One = call["p50"];

        Compare("one at a time, p50", "µs", call["p50"], apply["p50"], Goal.AtMostOneIn(50));
        Compare("one at a time, p99", "µs", call["p99"], apply["p99"]);
        Compare("one at a time, all on one core, p50", "µs", pinned["p50"], pinnedApply["p50"], Goal.AtMostOneIn(10));
        Compare("one at a time, all on one core, p99", "µs", pinned["p99"], pinnedApply["p99"]);
        Compare("one at a time, beside concurrent.futures, p50", "µs", call["p50"], executor["p50"]);
        Compare("one at a time, beside pebble, p50", "µs", call["p50"], pebble["p50"]);
    }

    public Metric One { get; }

    private async Task<Dictionary<string, double>> OneAsync(int count)
    {
        Pool pool = await TwoProcessesAsync();
        return await Timing.MicrosecondsEachAsync(count, i => pool.RunAsync(Work.Echo, i));
    }
}
