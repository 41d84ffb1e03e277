using System.Diagnostics;

namespace ManyHands.Tests;

/// <summary>A signal that works between any two workers, in whatever process: a file that is there or not.</summary>
public sealed class Gate : IDisposable
{
    // Nothing depends on how long it is: whoever waits in a child does so for a whole test.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly DirectoryInfo directory = Directory.CreateTempSubdirectory("gate-");

    public string Path => System.IO.Path.Combine(directory.FullName, "open");

    public void Open() => Open(Path);

    public Task WaitAsync() => WaitAsync(Path);

    /// <summary>Another signal of the same test.</summary>
    public string Named(string name) => System.IO.Path.Combine(directory.FullName, name);

    public int Count(string prefix) => directory.GetFiles(prefix + "*").Length;

    public static void Open(string path) => File.WriteAllText(path, "");

    public static void Wait(string path)
    {
        long startedAt = Stopwatch.GetTimestamp();
        while (!File.Exists(path))
        {
            if (Stopwatch.GetElapsedTime(startedAt) > Patience)
                throw new TimeoutException($"{path} was not opened within {Patience.TotalSeconds} s.");
            Thread.Sleep(2);
        }
    }

    public static async Task WaitAsync(string path)
    {
        long startedAt = Stopwatch.GetTimestamp();
        while (!File.Exists(path))
        {
            if (Stopwatch.GetElapsedTime(startedAt) > Patience)
                throw new TimeoutException($"{path} was not opened within {Patience.TotalSeconds} s.");
            await Task.Delay(2);
        }
    }

    public void Dispose() => directory.Delete(recursive: true);
}

/// <summary>Waits for what must come to be, with a deadline by the <see cref="FairClock"/>.</summary>
public static class Eventually
{
    public static async Task True(Func<bool> condition, string what, double seconds = 10)
    {
        long startedAt = Stopwatch.GetTimestamp();
        while (!condition())
        {
            if (FairClock.Since(startedAt).TotalSeconds > seconds)
                throw new TimeoutException($"Not within {seconds} s: {what}");
            await Task.Delay(5);
        }
    }
}
