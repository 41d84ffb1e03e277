using System.Globalization;

namespace ManyHands.Platform;

/// <summary>
/// A control group of the Linux kernel with a memory limit, below this process's own: version 2 where it delegates memory, or version 1. Mostly only root or a service with
/// delegated groups may make one.
/// </summary>
internal sealed class ControlGroup : IDisposable
{
    private const string Prefix = "manyhands-";

    // A refusal for want of a descriptor is no answer, and must not be one for good.
    private static readonly Lazy<Parent?> Found = new(FindParent, LazyThreadSafetyMode.PublicationOnly);
    private static int lastNumber;

    private readonly string directory;
    private readonly bool isVersion1;

    private ControlGroup(string directory, bool isVersion1)
    {
        this.directory = directory;
        this.isVersion1 = isVersion1;
    }

    /// <summary>Whether the kernel has killed something in the group for want of memory.</summary>
    public bool HasKilled
    {
        get
        {
            foreach (string line in ReadLines(isVersion1 ? "memory.oom_control" : "memory.events"))
            {
                if (line.StartsWith("oom_kill ", StringComparison.Ordinal))
                    return line != "oom_kill 0";
            }

            return false;
        }
    }

    /// <summary>The most memory that the group had at a time, in bytes; null if the kernel doesn't tell.</summary>
    public long? Peak => ReadLines(isVersion1 ? "memory.max_usage_in_bytes" : "memory.peak") is [var text, ..]
        && long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long bytes) ? bytes : null;

    /// <summary>A group with this limit; null if this process can't make one.</summary>
    public static ControlGroup? TryCreate(long bytes)
    {
        try
        {
            if (Found.Value is not { } parent)
                return null;
            string directory = Path.Combine(parent.Directory, $"{Prefix}{Environment.ProcessId}-{Interlocked.Increment(ref lastNumber)}");
            Directory.CreateDirectory(directory);
            ControlGroup group = new(directory, parent.IsVersion1);
            if (group.TrySetLimit(bytes))
                return group;
            group.Dispose();
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            // Not ours to make.
        }

        return null;
    }

    public bool TryAdd(int processId) => TryWrite("cgroup.procs", processId);

    public void Dispose() => Remove(directory);

    private static Parent? FindParent()
    {
        if (!OperatingSystem.IsLinux())
            return null;
        Parent? found = null;
        foreach (string line in File.ReadAllLines("/proc/self/cgroup"))
        {
            // number:controllers:path; version 2 has the number 0 and no controllers.
            string[] parts = line.Split(':', 3);
            if (parts is ["0", "", var path])
                found ??= Existing("/sys/fs/cgroup", path, "memory.max") ?? Existing("/sys/fs/cgroup/unified", path, "memory.max");
            else if (parts.Length == 3 && parts[1].Split(',').Contains("memory"))
                found ??= Existing("/sys/fs/cgroup/memory", parts[2], "memory.limit_in_bytes");
        }

        if (found is not null)
            Sweep(found.Directory);
        return found;
    }

    // Within a container the path may be the host's, and the group be mounted at the root.
    private static Parent? Existing(string mount, string path, string file)
    {
        foreach (string candidate in (ReadOnlySpan<string>)[mount + path, mount])
        {
            if (File.Exists(Path.Combine(candidate, file)))
                return new Parent(candidate, file == "memory.limit_in_bytes");
        }

        return null;
    }

    // Groups have names, so a killed process leaves its own behind. Only empty ones can be removed, so at worst nothing happens.
    private static void Sweep(string parent)
    {
        foreach (string directory in Directory.EnumerateDirectories(parent, Prefix + "*"))
        {
            string owner = Path.GetFileName(directory)[Prefix.Length..].Split('-')[0];
            if (int.TryParse(owner, NumberStyles.None, CultureInfo.InvariantCulture, out int processId) && !Linux.MayBeProcess(processId))
                Remove(directory);
        }
    }

    private static void Remove(string directory)
    {
        try
        {
            Directory.Delete(directory);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            // Something is still in it; a later sweep takes it.
        }
    }

    private bool TrySetLimit(long bytes)
    {
        if (!isVersion1)
        {
            // Without swap the limit would only move memory out to the disk.
            bool isSet = File.Exists(Path.Combine(directory, "memory.max")) && TryWrite("memory.max", bytes);
            if (isSet && File.Exists(Path.Combine(directory, "memory.swap.max")))
                TryWrite("memory.swap.max", 0);
            return isSet;
        }

        bool limited = TryWrite("memory.limit_in_bytes", bytes);
        if (limited && File.Exists(Path.Combine(directory, "memory.memsw.limit_in_bytes")))
            TryWrite("memory.memsw.limit_in_bytes", bytes);
        return limited;
    }

    private bool TryWrite(string file, long value)
    {
        try
        {
            File.WriteAllText(Path.Combine(directory, file), value.ToString(CultureInfo.InvariantCulture));
            return true;
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private string[] ReadLines(string file)
    {
        try
        {
            return File.ReadAllLines(Path.Combine(directory, file));
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private sealed record Parent(string Directory, bool IsVersion1);
}
