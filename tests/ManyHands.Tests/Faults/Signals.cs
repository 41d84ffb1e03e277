using System.Runtime.InteropServices;

namespace ManyHands.Tests.Faults;

/// <summary>Signals to other processes.</summary>
public static partial class Signals
{
    public const int Interrupt = 2;
    public const int Abort = 6;
    public const int Kill = 9;
    public const int SegmentationFault = 11;
    public const int Terminate = 15;
    public const int Continue = 18;
    public const int Stop = 19;

    /// <summary>False if there is no such process any more.</summary>
    public static bool TrySend(int pid, int signal) => Send(pid, signal) == 0;

    public static bool IsStopped(int pid)
    {
        try
        {
            string text = File.ReadAllText($"/proc/{pid}/stat");
            return text[text.LastIndexOf(')') + 2] is 'T';
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>Whether this process ignores it, and so all that it starts.</summary>
    public static bool IsIgnored(int signal)
    {
        string line = File.ReadLines("/proc/self/status").First(line => line.StartsWith("SigIgn:", StringComparison.Ordinal));
        return (Convert.ToUInt64(line["SigIgn:".Length..].Trim(), 16) >> (signal - 1) & 1) != 0;
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Send(int pid, int signal);
}
