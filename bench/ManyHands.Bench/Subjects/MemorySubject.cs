using ManyHands.Bench.Running;

namespace ManyHands.Bench.Subjects;

/// <summary>What idle workers weigh that have done one call each.</summary>
internal sealed class MemorySubject : Subject
{
    public MemorySubject(Options options)
        : base("memory", options)
    {
        Contender python = Contender.Python("multiprocessing, spawn", "processes.py");
        Measurement ours = Measure(Ours.Fresh(), "idle-workers", 1, IdleWorkersAsync);
        Measurement spawn = Measure(python.Fresh(), "memory-spawn", 1);
        Measurement fork = Measure(python.Named("multiprocessing, fork").Fresh(), "memory-fork", 1);

        Compare("what one more idle worker adds, beside the mean worker, PSS", "MiB", ours["marginal"], spawn["mean"], Goal.AtMost(1));
        Compare("what one more idle worker adds, PSS", "MiB", ours["marginal"], spawn["marginal"], Goal.AtMost(1));
        Compare("mean of two idle workers, PSS", "MiB", ours["mean"], spawn["mean"]);
        Compare("what one more idle worker adds, beside fork, PSS", "MiB", ours["marginal"], fork["marginal"]);
        Compare("mean of two idle workers, beside fork, PSS", "MiB", ours["mean"], fork["mean"]);
    }

    private static async Task<Dictionary<string, double>> IdleWorkersAsync(int count)
    {
        // What the parent itself needs for pools is there before anything is weighed.
        await using (Pool first = Pool.Processes(1))
            Figures.Check(count, await first.RunAsync(Work.Echo, count), "The result");

        await using Pool two = await UsedAsync();
        (double withTwo, double mean) = Weigh(two);
        await using Pool twoMore = await UsedAsync();
        (double withFour, _) = Weigh(two, twoMore);
        return new() { ["mean"] = mean, ["marginal"] = (withFour - withTwo) / 2 };
    }

    private static async Task<Pool> UsedAsync()
    {
        Pool pool = Pool.Processes(2);
        await pool.WarmUpAsync();
        while (pool.Statistics.Workers.Any(worker => worker.EndedCalls == 0))
            await Task.WhenAll(pool.RunAsync(Work.Pause, 1), pool.RunAsync(Work.Pause, 2));
        await Task.Delay(300);      // what a worker does after a call is over by then, as on the peer's side
        return pool;
    }

    private static (double Total, double Mean) Weigh(params Pool[] pools)
    {
        double[] workers = [.. from pool in pools from worker in pool.Statistics.Workers select ProcessFigures.ProportionalMebibytes(worker.Id)];
        Figures.Check(2 * pools.Length, workers.Length, "The number of workers");
        return (workers.Sum() + ProcessFigures.ProportionalMebibytes(Environment.ProcessId), workers.Average());
    }
}
