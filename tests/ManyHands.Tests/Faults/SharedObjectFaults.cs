#if DEBUG
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using ManyHands.Platform;
using Xunit;

namespace ManyHands.Tests.Faults;

/// <summary>What is to happen to the process that is given it, and at which step; nothing, without a step.</summary>
internal sealed record FaultPlan(FaultStep? Step, Fault Fault, int Hits = 1)
{
    public static readonly TimeSpan DelayTime = TimeSpan.FromMilliseconds(300);

    public void Arm(TimeSpan? delay = null)
    {
        if (Step is { } step)
            FaultPoint.Arm(step, Fault, Hits, delay ?? DelayTime);
    }
}

/// <summary>Runs the cells of a sweep over what processes share, several at a time, and says what became of them in one line.</summary>
internal static class SharedObjectFaults
{
    // What is missed, each in words, fails the test too, when all that can be visited was visited.
    public static async Task SweepAsync<TCell>(
        string subject, int steps, int scenarios, IEnumerable<TCell> cells, int lanes, Func<TCell, Task> run, ITestOutputHelper output, params IEnumerable<string> missed)
    {
        ConcurrentQueue<TCell> left = new(cells);
        int count = left.Count;
        ConcurrentBag<string> broken = [];
        long startedAt = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, lanes).Select(_ => Task.Run(async () =>
        {
            while (left.TryDequeue(out TCell? cell))
            {
                try
                {
                    await run(cell);
                }
                catch (Exception failure)
                {
                    broken.Add($"{cell}: {failure.Message}");
                }
            }
        })));
        string summary = string.Create(
            CultureInfo.InvariantCulture,
            $"{subject}: {steps} steps × {scenarios} scenarios × {Enum.GetValues<Fault>().Length} faults: {count} cells run, {count - broken.Count} passed, {Stopwatch.GetElapsedTime(startedAt).TotalSeconds:0} s");
        output.WriteLine(summary);
        Console.WriteLine(summary);
        string[] failures = [.. missed, .. broken];
        Assert.True(failures.Length == 0, string.Join(Environment.NewLine, failures));
    }

    public static void Continue(int process)
    {
        if (OperatingSystem.IsLinux())
            _ = Linux.Kill(process, Linux.Sigcont);
    }
}
#endif
