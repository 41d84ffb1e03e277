using System.Diagnostics;
using ManyHands.Bench.Running;

namespace ManyHands.Bench.Subjects;

/// <summary>Pools from one worker to two hundred: starting all, one call, and what they burn when nobody calls.</summary>
internal sealed class WorkersSubject : Subject
{
    private bool isWarm;

    public WorkersSubject(Options options)
        : base("workers", options)
    {
        Rounds = 3;
        Contender python = Contender.Python("multiprocessing.Pool", "processes.py");
        foreach (int size in options.Quick ? new[] { 1, 8 } : [1, 2, 8, 50, 200])
        {
            Measurement ours = Measure(Ours, $"battery-{size}", 500, count => BatteryAsync(size, count), warmsUp: false);
            Measurement theirs = Measure(python, $"battery-{size}", 500);
            string workers = size == 1 ? "1 worker" : $"{size} workers";
            Compare($"{workers}: warm-up of all", "ms", ours["warm-up"], theirs["warm-up"]);
            Compare($"{workers}: one call, p50", "µs", ours["p50"], theirs["p50"]);
            Show($"{workers}: processor time when idle, parent included", "% of a core", ours["idle"], Goal.ValueAtMost(0.1, "0: ≤ 0.1 %"));
        }
    }

    private async Task<Dictionary<string, double>> BatteryAsync(int size, int count)
    {
        if (!isWarm)
        {
            await using Pool pair = Pool.Processes(2);
            await Timing.MicrosecondsEachAsync(5_000, i => pair.RunAsync(Work.Echo, i));
            isWarm = true;
        }

        long begin = Stopwatch.GetTimestamp();
        await using Pool pool = Pool.Processes(size);
        await pool.WarmUpAsync();
        double warmUp = Stopwatch.GetElapsedTime(begin).TotalMilliseconds;
        double one = (await Timing.MicrosecondsEachAsync(count, i => pool.RunAsync(Work.Echo, i)))["p50"];

        int[] processes = [Environment.ProcessId, .. from worker in pool.Statistics.Workers select worker.Id];
        Figures.Check(size + 1, processes.Length, "The number of processes");
        await Task.Delay(1_000);      // the runtime's own afterwork, such as compiling what was hot
        TimeSpan before = ProcessorTime();
        begin = Stopwatch.GetTimestamp();
        await Task.Delay(2_000);
        double idle = (ProcessorTime() - before) / Stopwatch.GetElapsedTime(begin) * 100;
        return new() { ["warm-up"] = warmUp, ["p50"] = one, ["idle"] = idle };

        TimeSpan ProcessorTime() => processes.Aggregate(TimeSpan.Zero, (sum, process) => sum + ProcessFigures.ProcessorTime(process));
    }
}
