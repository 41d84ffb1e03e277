using System.Diagnostics;
using ManyHands.Platform;

namespace ManyHands.Tests.Faults;

/// <summary>What the workers run. Each function first writes down that it runs, so that one that runs twice is found out.</summary>
internal static class FaultWork
{
    public const int SlowItem = 220;

    /// <summary>The item that doesn't end before the next one has run, and so holds that up until it is recalled.</summary>
    public const int HeldItem = 3;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);
    private static int initialized;

    public static int Double(string ledger, int number)
    {
        Ledger.Enter(ledger, number);
        return 2 * number;
    }

    /// <summary>Quick, but for one, so that what was sent ahead behind that one is recalled.</summary>
    public static int Item(string ledger, int number)
    {
        Ledger.Enter(ledger, number);
        if (number == SlowItem)
            Thread.Sleep(60);
        return 2 * number;
    }

    public static int HoldUp(string ledger, int number)
    {
        Ledger.Enter(ledger, number);
        if (number == HeldItem)
            WaitFor(() => Ledger.Runs(ledger, number + 1) > 0);
        return 2 * number;
    }

    /// <summary>Ends when the file is there.</summary>
    public static int WaitForFile(string ledger, int number, string path)
    {
        Ledger.Enter(ledger, number);
        WaitFor(() => File.Exists(path));
        return 2 * number;
    }

    public static byte[] Echo(string ledger, int number, byte[] data)
    {
        Ledger.Enter(ledger, number);
        return data;
    }

    public static int Sum(string ledger, int number, byte[] data)
    {
        Ledger.Enter(ledger, number);
        return number + data[^1];
    }

    public static async Task<int> WaitForCancel(string ledger, int number, CancellationToken token)
    {
        Ledger.Enter(ledger, number);
        await Task.Delay(Timeout.Infinite, token);
        return number;
    }

    public static int Stubborn(string ledger, int number)
    {
        Ledger.Enter(ledger, number);
        Thread.Sleep(Timeout.Infinite);
        return number;
    }

    public static int Busy(string ledger, int number)
    {
        Ledger.Enter(ledger, number);
        Thread.Sleep(20);
        return 2 * number;
    }

    public static int Die(string ledger, int number)
    {
        Ledger.Enter(ledger, number);
        if (OperatingSystem.IsLinux())
            _ = Linux.Kill(Environment.ProcessId, Linux.Sigkill);
        Thread.Sleep(Timeout.Infinite);
        return number;
    }

    public static int Report(string ledger, int number, IProgress<int> progress)
    {
        Ledger.Enter(ledger, number);
        for (int i = 0; i < Scenarios.Reports; i++)
            progress.Report(i);
        return 2 * number;
    }

    public static void Initialize() => initialized++;

    /// <summary>The double, if the initializer has run exactly once in this process.</summary>
    public static int DoubleInitialized(string ledger, int number)
    {
        Ledger.Enter(ledger, number);
        return initialized == 1 ? 2 * number : -initialized;
    }

    public static int Answer() => 42;

    private static void WaitFor(Func<bool> condition)
    {
        long startedAt = Stopwatch.GetTimestamp();
        while (!condition() && Stopwatch.GetElapsedTime(startedAt) < Patience)
            Thread.Sleep(1);
    }
}
