using System.Globalization;

namespace ManyHands.Tests.Faults;

/// <summary>What this process uses at one moment, after all garbage is gone.</summary>
public sealed record ResourceUse(int Descriptors, int Threads, long ResidentBytes, long ManagedBytes)
{
    public static ResourceUse Take()
    {
        for (int i = 0; i < 3; i++)
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            GC.WaitForPendingFinalizers();
        }

        return new(
            Directory.GetFileSystemEntries("/proc/self/fd").Length,
            Directory.GetDirectories("/proc/self/task").Length,
            Resident(),
            GC.GetTotalMemory(forceFullCollection: true));
    }

    public override string ToString() =>
        $"{Descriptors} descriptors, {Threads} threads, {ResidentBytes / 1024} KiB resident, {ManagedBytes / 1024} KiB managed";

    private static long Resident()
    {
        string line = File.ReadLines("/proc/self/status").First(line => line.StartsWith("VmRSS:", StringComparison.Ordinal));
        return 1024 * long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
    }
}
