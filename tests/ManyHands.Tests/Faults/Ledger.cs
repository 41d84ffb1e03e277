using System.Runtime.InteropServices;

namespace ManyHands.Tests.Faults;

/// <summary>
/// A directory with a file for each process, which holds a number for each function that ran there, whatever became of the process. Quick, so that the pool
/// takes the functions for short ones and sends them ahead.
/// </summary>
internal static class Ledger
{
    private static readonly Lock Gate = new();
    private static string? current;
    private static FileStream? own;

    public static void Enter(string directory, int number)
    {
        lock (Gate)
        {
            if (current != directory)
            {
                own?.Dispose();
                own = new FileStream(Path.Combine(directory, $"{Environment.ProcessId}"), FileMode.CreateNew, FileAccess.Write, FileShare.Read, bufferSize: 0);
                current = directory;
            }

            own!.Write(BitConverter.GetBytes(number));
        }
    }

    /// <summary>How often each function ran.</summary>
    public static IReadOnlyDictionary<int, int> Runs(string directory) =>
        Directory.GetFiles(directory).SelectMany(Numbers).CountBy(number => number).ToDictionary();

    public static int Runs(string directory, int number) => Runs(directory).GetValueOrDefault(number);

    /// <summary>The processes in which a function ran.</summary>
    public static int[] Processes(string directory, int number) =>
        [.. Directory.GetFiles(directory).Where(path => Numbers(path).Contains(number)).Select(path => int.Parse(Path.GetFileName(path), System.Globalization.CultureInfo.InvariantCulture))];

    private static int[] Numbers(string path)
    {
        using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        byte[] bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return MemoryMarshal.Cast<byte, int>(bytes).ToArray();
    }
}
