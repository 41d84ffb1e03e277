using System.Diagnostics;
using ManyHands.Tests;

namespace ManyHands.Fuzz;

/// <summary>
/// A real worker that turns against its parent, as <see cref="HostileWorker"/> does. The parent lives; each call has one outcome, in time, if not by itself then when it is cancelled, as a worker may always say
/// nothing; the calls of another worker, at the same time, come back with what they returned; and nothing is left over.
/// </summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
internal sealed class HostileWorkerTarget : FuzzTarget
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(400);
    private static readonly CallOptions Options = new() { Grace = TimeSpan.FromMilliseconds(50) };
    private static readonly string Current = Path.Combine(Path.GetTempPath(), "fuzz-hostile-worker-current.hex");

    // One for each kind of step; the first number is the sample's.
    private readonly byte[][] seeds = [.. from what in Enumerable.Range(0, HostileWorker.Kinds) select (byte[])[(byte)(what * 7), (byte)what, (byte)(what * 31), (byte)(what * 5)]];
    private ProcessInventory? before;
    private Pool? hostile;
    private Pool? honest;
    private int number;

    public override string Name => "hostile-worker";

    public override IReadOnlyList<byte[]> Seeds => seeds;

    public override IReadOnlyList<byte[]> WarmUp => [[0]];

    public override IReadOnlyList<byte[]> Tokens { get; } = [.. from what in Enumerable.Range(0, 16) select (byte[])[(byte)what, (byte)(what * 13), (byte)(what * 101)]];

    /// <summary>It may cost a worker, and a process takes as long to start as the machine is busy.</summary>
    public override TimeSpan LongestRun => Deadline;

    public override long MostAllocated(int length) => 16L << 20;

    public override bool IsRefusal(Exception failure) => false;

    public override void Run(byte[] input)
    {
        if (input.Length == 0)
            return;
        if (before is null)
        {
            WorkerSample.RequireEveryCodec();

            // Each keeps a copy of its descriptor from its first use on, and what an honest worker or a fault of ours says goes there.
            _ = (Console.Out, Console.Error);
            before = ProcessInventory.Take();
        }

        // Should this process die, here is what of.
        File.WriteAllText(Current, Convert.ToHexStringLower(input));

        // Long scripts end in the worker's death at their first steps; what comes behind is never done.
        int index = input[0] % WorkerSample.All.Length;
        byte[] script = input[1..Math.Min(input.Length, 1 + (3 * 8))];
        hostile ??= Pool.Processes(1, new() { Output = static _ => { }, ShutdownTimeout = TimeSpan.FromSeconds(2), SpareWorkers = 1 });
        honest ??= Pool.Processes(1);
        int asked = ++number;
        using CancellationTokenSource source = new();
        Task<(int Number, long Check)> witness = honest.RunAsync(HostileWorker.Honest, asked);
        List<Task> calls = [WorkerSample.All[index].CallAsync(hostile, script, index, Options, source.Token), hostile.RunAsync(HostileWorker.Honest, asked, Options, source.Token)];
        if (input.Length % 8 == 0)
            calls.Add(MapAsync(hostile, script, source.Token));
        Task all = Task.WhenAll(calls.Select(static call => call.ContinueWith(static ended => ended.Exception, TaskContinuationOptions.ExecuteSynchronously)));
        if (!all.Wait(Patience))
            source.Cancel();
        if (!all.Wait(Deadline) || !witness.Wait(Deadline))
            throw new TimeoutException($"No outcome within {Deadline.TotalSeconds} s: {string.Join(", ", calls.Select(static call => call.Status))}, the other worker's {witness.Status}.");
        if (witness.Result != (asked, HostileWorker.CheckOf(asked)))
            throw new InvalidOperationException($"Another worker's call {asked} ended with {witness.Result}.");
        foreach (Task call in calls)
        {
            if (call.Exception?.InnerException is { } failure && IsUnforeseen(failure))
                throw new InvalidOperationException($"A call ended with {failure.GetType().Name}: {failure.Message}", failure);
            if (call.Exception?.InnerException is PoolBrokenException)
                Close(ref hostile);
        }

        if (honest.Statistics.WorkersLost > 0)
            throw new InvalidOperationException("Another worker was lost.");
    }

    public override void Rest()
    {
        Close(ref hostile);
        Close(ref honest);
        File.Delete(Current);
        if (before is null)
            return;
        long startedAt = Stopwatch.GetTimestamp();
        while (ProcessInventory.Take().Beyond(before) is { Length: > 0 } left)
        {
            if (Stopwatch.GetElapsedTime(startedAt) > Deadline)
                throw new InvalidOperationException($"Left over: {left}");
            GC.Collect();
            GC.WaitForPendingFinalizers();
            Thread.Sleep(20);
        }
    }

    private static void Close(ref Pool? pool)
    {
        pool?.DisposeAsync().AsTask().Wait(Deadline);
        pool = null;
    }

    private static async Task MapAsync(Pool pool, byte[] script, CancellationToken token)
    {
        int taken = 0;
        (byte[]?, int)[] items = [.. Enumerable.Range(0, 40).Select(number => (number == 20 ? script : null, number))];
        await foreach (int _ in pool.MapAsync(HostileWorker.Item, items, Options, token).ConfigureAwait(false))
            taken++;
        if (taken != items.Length)
            throw new LostResultException($"{items.Length} items had {taken} results.");
    }

    // A worker may say that a call threw whatever a call can throw; what our own code threw on the way of it shows by where.
    private static bool IsUnforeseen(Exception failure) =>
        failure is LostResultException or MissingFieldException or NullReferenceException or IndexOutOfRangeException or InvalidCastException or ArgumentException
        && failure.StackTrace?.Contains("RemoteFailure", StringComparison.Ordinal) != true;

    private sealed class LostResultException(string message) : Exception(message);
}
