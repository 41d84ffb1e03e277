using System.Diagnostics;

namespace ManyHands.Bench;

/// <summary>The functions that are called, the same as on the peers' side.</summary>
internal static class Work
{
    public static int Echo(int number) => number;

    public static long FirstLine() => Stopwatch.GetTimestamp();

    public static int Length(byte[] payload) => payload.Length;

    public static byte[] Produce(int size) => new byte[size];

    public static async Task<int> YieldAsync(int number)
    {
        await Task.Yield();
        return number;
    }

    public static Task NothingAsync() => Task.CompletedTask;

    // Long enough that the pool's other workers get a call too.
    public static int Pause(int number)
    {
        Thread.Sleep(100);
        return number;
    }

    /// <summary>The sum of 0 … count - 1, which whoever echoes all of them can be checked with.</summary>
    public static long Sum(int count) => (long)count * (count - 1) / 2;
}
