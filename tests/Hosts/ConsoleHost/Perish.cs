using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using ManyHands;

/// <summary>
/// Fills a tree of processes with all that a program may leave behind, workers that are idle, in managed and in native endless loops, single ones, each with a process
/// of its own, and then comes to its end in one way or another, without having disposed of anything.
/// </summary>
internal static partial class Perish
{
    private const int Processes = 8;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <param name="how">waits, returns, exits, throws, failfast.</param>
    /// <param name="folder">Gets one file <c>id-…</c> for each process, then <c>ready</c>, and <c>ending</c> just before the end.</param>
    public static async Task<int> RunAsync(string how, string folder)
    {
        Pool pool = Pool.Processes(3);
        await pool.WarmUpAsync();
        Task[] busy = [pool.RunAsync(Loop, folder), pool.RunAsync(Wait, folder)];
        await pool.RunAsync(Leave, folder);
        WorkerProcess single = WorkerProcess.Start(Loop, folder);
        long startedAt = Stopwatch.GetTimestamp();
        while (Directory.GetFiles(folder, "id-*").Length < Processes)
        {
            if (busy.FirstOrDefault(call => call.IsCompleted) is { } early)
                await early;
            if (Stopwatch.GetElapsedTime(startedAt) > Patience)
                throw new TimeoutException($"{folder} holds {Directory.GetFiles(folder, "id-*").Length} ids instead of {Processes}; {single.Name} is {single.State}.");
            await Task.Delay(2);
        }

        File.WriteAllText(Path.Combine(folder, "ready"), "");
        if (how == "waits")
            Thread.Sleep(Timeout.Infinite);
        File.WriteAllText(Path.Combine(folder, "ending"), "");
        switch (how)
        {
            case "exits":
                Environment.Exit(5);
                break;
            case "failfast":
                Environment.FailFast("on purpose");
                break;
            case "throws":
                new Thread(static () => throw new InvalidOperationException("on purpose")).Start();
                Thread.Sleep(Timeout.Infinite);
                break;
        }

        return 6;
    }

    private static void Loop(string folder)
    {
        StartOne(folder);
        while (true)
        {
        }
    }

    private static void Wait(string folder)
    {
        StartOne(folder);
        while (true)
            _ = Pause();
    }

    private static void Leave(string folder) => StartOne(folder);

    private static void StartOne(string folder)
    {
        using Process sleep = Process.Start("/bin/sleep", "1000");
        foreach (int id in (ReadOnlySpan<int>)[Environment.ProcessId, sleep.Id])
            File.WriteAllText(Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"id-{id}")), "");
    }

    // The runtime can't suspend the thread that is in there.
    [SuppressGCTransition]
    [LibraryImport("libc", EntryPoint = "pause")]
    private static partial int Pause();
}
