using System.Globalization;
using System.Runtime.InteropServices;
using Xunit;

namespace ManyHands.Tests.Memory;

/// <summary>What a process may have at most; set in it, for good.</summary>
internal static partial class Limits
{
    private const int FileSize = 1;
    private const int AddressSpace = 9;
    private const int FileSizeSignal = 25;

    /// <summary>For each file, of which anonymous memory is one; without the signal that would end the process.</summary>
    public static void SetFileSize(long most)
    {
        _ = SetSignalHandler(FileSizeSignal, 1);
        Set(FileSize, most);
    }

    public static void SetAddresses(long more)
    {
        string line = File.ReadLines("/proc/self/status").First(line => line.StartsWith("VmSize:", StringComparison.Ordinal));
        Set(AddressSpace, (1024 * long.Parse(line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture)) + more);
    }

    private static unsafe void Set(int resource, long value)
    {
        long* limit = stackalloc long[] { value, value };
        Assert.Equal(0, SetLimit(resource, limit));
    }

    [LibraryImport("libc", EntryPoint = "setrlimit")]
    private static unsafe partial int SetLimit(int resource, long* limit);

    [LibraryImport("libc", EntryPoint = "signal")]
    private static partial nint SetSignalHandler(int signal, nint handler);
}
