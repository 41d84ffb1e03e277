using System.Globalization;
using System.Runtime.InteropServices;

namespace ManyHands.Bench;

/// <summary>What the kernel says about a process.</summary>
internal static partial class ProcessFigures
{
    public static long ResidentBytes() => Kibibytes("/proc/self/status", "VmRSS:") * 1024;

    /// <summary>The process's share of memory, in MiB: pages that n processes share count 1/n each.</summary>
    public static double ProportionalMebibytes(int processId) => Kibibytes($"/proc/{processId}/smaps_rollup", "Pss:") / 1024.0;

    /// <summary>Processor time of all its threads so far.</summary>
    public static TimeSpan ProcessorTime(int processId)
    {
        // What clock_getcpuclockid returns on Linux: the complement of the id, and 2 for "all threads, as scheduled". /proc/<pid>/stat has only ticks of 10 ms.
        const int scheduled = 2;
        if (GetTime((~processId << 3) | scheduled, out Timespec time) != 0)
            throw new InvalidOperationException($"Process {processId} has no processor clock (errno {Marshal.GetLastPInvokeError()}).");
        return TimeSpan.FromSeconds(time.Seconds) + TimeSpan.FromMicroseconds(time.Nanoseconds / 1e3);
    }

    private static long Kibibytes(string file, string field)
    {
        string line = File.ReadLines(file).First(each => each.StartsWith(field, StringComparison.Ordinal));
        return long.Parse(line.AsSpan(field.Length, line.Length - field.Length - "kB".Length).Trim(), CultureInfo.InvariantCulture);
    }

    [LibraryImport("libc", EntryPoint = "clock_gettime", SetLastError = true)]
    private static partial int GetTime(int clock, out Timespec time);

    private struct Timespec
    {
        public nint Seconds;
        public nint Nanoseconds;
    }
}
