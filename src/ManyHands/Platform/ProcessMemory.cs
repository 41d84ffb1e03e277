using System.Globalization;

namespace ManyHands.Platform;

/// <summary>The memory of other processes, as the system accounts for it.</summary>
internal static class ProcessMemory
{
    /// <summary>Resident memory in bytes; 0 if the process is gone or the system doesn't tell.</summary>
    public static long Resident(int processId)
    {
        try
        {
            if (!OperatingSystem.IsLinux())
            {
                using System.Diagnostics.Process process = System.Diagnostics.Process.GetProcessById(processId);
                return process.WorkingSet64;
            }

            string[] pages = File.ReadAllText($"/proc/{processId}/statm").Split(' ');
            return long.Parse(pages[1], CultureInfo.InvariantCulture) * Environment.SystemPageSize;
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException or ArgumentException or InvalidOperationException)
        {
            return 0;
        }
    }
}
