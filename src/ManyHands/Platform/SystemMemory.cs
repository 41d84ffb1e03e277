namespace ManyHands.Platform;

/// <summary>What the whole machine has.</summary>
internal static class SystemMemory
{
    private const string Line = "MemAvailable:";

    /// <summary>Bytes that programs can still have without anything being ended for it; proc(5), /proc/meminfo.</summary>
    public static long Available()
    {
        try
        {
            foreach (string line in File.ReadLines("/proc/meminfo"))
            {
                if (line.StartsWith(Line, StringComparison.Ordinal) && long.TryParse(line.AsSpan(Line.Length).Trim().TrimEnd("kB "), out long kibibytes))
                    return kibibytes * 1024;
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // Then the system's own refusal has to do.
        }

        return long.MaxValue;
    }
}
