using System.Diagnostics;
using System.Globalization;
using ManyHands.Bench.Running;

namespace ManyHands.Bench.Subjects;

/// <summary>From wanting a function run in a child to its first line.</summary>
internal sealed class StartSubject : Subject
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    public StartSubject(Options options)
        : base("start", options)
    {
        Contender python = Contender.Python("os.fork", "processes.py");
        Measurement fork = Measure(python, "fork", 100);
        Measurement waiting = Measure(Ours, "waiting-worker", 100, WaitingWorkerAsync);
        Measurement unused = Measure(Ours, "unused-worker", 10, UnusedWorkerAsync);
        Measurement pool = Measure(python.Named("multiprocessing.Pool"), "pool", 100);
        Measurement cold = Measure(Ours, "new-pool", 10, NewPoolAsync);
        Measurement empty = Measure(Ours.Named("dotnet exec, empty program"), "empty-program", 10, EmptyProgramAsync);
        Measurement first = Measure(Ours.Fresh(), "first-pool", 1, FirstPoolAsync);
        Measurement process = Measure(Ours, "worker-process", 10, WorkerProcessAsync);
        Measurement spawn = Measure(python.Named("multiprocessing, spawn"), "spawn", 10);
        Waiting = waiting["p50"];

        Compare("first line in a waiting worker, known function, p50", "ms", waiting["p50"], fork["p50"], Goal.Less);
        Compare("first line in a warm worker that nothing has run in, p50", "ms", unused["p50"], fork["p50"], Goal.Less);
        Compare("first line in a waiting worker, beside Python's pool, p50", "ms", waiting["p50"], pool["p50"]);
        Compare("cold: new pool to first line, p50", "ms", cold["p50"], empty["p50"], Goal.AtMost(1.3));
        Compare("cold: a program's very first pool to first line", "ms", first.Value, empty["p50"]);
        Compare("cold: WorkerProcess.Start to first line, p50", "ms", process["p50"], spawn["p50"]);
    }

    public Metric Waiting { get; }

    private static double Milliseconds(long from, long to) => Timing.Microseconds(from, to) / 1e3;

    private async Task<Dictionary<string, double>> WaitingWorkerAsync(int count)
    {
        Pool pool = await TwoProcessesAsync();
        double[] samples = new double[count];
        for (int i = 0; i < count; i++)
        {
            await Task.Delay(Pause);
            long begin = Stopwatch.GetTimestamp();
            samples[i] = Milliseconds(begin, await pool.RunAsync(Work.FirstLine));
        }

        return Figures.Percentiles(samples);
    }

    private static async Task<Dictionary<string, double>> UnusedWorkerAsync(int count)
    {
        double[] samples = new double[count];
        for (int i = 0; i < count; i++)
        {
            await using Pool pool = Pool.Processes(1);
            await pool.WarmUpAsync();
            await Task.Delay(Pause);
            long begin = Stopwatch.GetTimestamp();
            samples[i] = Milliseconds(begin, await pool.RunAsync(Work.FirstLine));
        }

        return Figures.Percentiles(samples);
    }

    private static async Task<Dictionary<string, double>> NewPoolAsync(int count)
    {
        double[] samples = new double[count];
        for (int i = 0; i < count; i++)
            samples[i] = await PoolToFirstLineAsync();
        return Figures.Percentiles(samples);
    }

    private static async Task<Dictionary<string, double>> FirstPoolAsync(int count)
    {
        Figures.Check(1, count, "The count of first pools");
        return Figures.Of(await PoolToFirstLineAsync());
    }

    private static async Task<double> PoolToFirstLineAsync()
    {
        long begin = Stopwatch.GetTimestamp();
        await using Pool pool = Pool.Processes(1);
        return Milliseconds(begin, await pool.RunAsync(Work.FirstLine));
    }

    private static async Task<Dictionary<string, double>> WorkerProcessAsync(int count)
    {
        double[] samples = new double[count];
        for (int i = 0; i < count; i++)
        {
            long begin = Stopwatch.GetTimestamp();
            WorkerProcess<long> child = WorkerProcess.Start(Work.FirstLine);
            samples[i] = Milliseconds(begin, await child);
        }

        return Figures.Percentiles(samples);
    }

    private static async Task<Dictionary<string, double>> EmptyProgramAsync(int count)
    {
        double[] samples = new double[count];
        for (int i = 0; i < count; i++)
        {
            ProcessStartInfo start = new(Repository.DotNet, ["exec", Repository.Peer("EmptyProgram")]) { RedirectStandardOutput = true };
            long begin = Stopwatch.GetTimestamp();
            using Process process = Process.Start(start)!;
            string firstLine = await process.StandardOutput.ReadToEndAsync();
            await process.WaitForExitAsync();
            samples[i] = Milliseconds(begin, long.Parse(firstLine, CultureInfo.InvariantCulture));
        }

        return Figures.Percentiles(samples);
    }
}
