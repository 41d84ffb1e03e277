namespace ManyHands.Tests;

/// <summary>What a process holds, read from /proc.</summary>
public sealed record ProcessInventory(IReadOnlyCollection<int> Children, IReadOnlyDictionary<string, int> Descriptors, IReadOnlyDictionary<string, int> Threads, IReadOnlyCollection<string> Files)
{
    public static ProcessInventory Take() => new(
        [.. LiveChildren()],
        Directory.EnumerateFileSystemEntries("/proc/self/fd").Select(KindOfDescriptor).OfType<string>().CountBy(kind => kind).ToDictionary(),
        Directory.EnumerateDirectories("/proc/self/task").Select(ThreadName).OfType<string>().CountBy(name => name).ToDictionary(),
        [.. Directory.EnumerateFileSystemEntries(Path.GetTempPath(), "manyhands-*"), .. SharedFiles()]);

    /// <summary>What this holds more than the other, in words; empty if nothing.</summary>
    public string Beyond(ProcessInventory baseline)
    {
        List<string> more = [.. Children.Except(baseline.Children).Select(child => $"child {child} ({CommandLine(child)})")];
        more.AddRange(Descriptors.Where(pair => pair.Value > baseline.Descriptors.GetValueOrDefault(pair.Key)).Select(pair => $"{pair.Value - baseline.Descriptors.GetValueOrDefault(pair.Key)} × descriptor of {pair.Key}"));
        more.AddRange(Threads.Where(pair => pair.Value > baseline.Threads.GetValueOrDefault(pair.Key)).Select(pair => $"thread {pair.Key}"));
        more.AddRange(Files.Except(baseline.Files));
        return string.Join(", ", more);
    }

    /// <summary>Whether a process runs; one that has ended and waits for its parent doesn't.</summary>
    public static bool IsAlive(int pid) => State(pid) is not (null or 'Z' or 'X');

    /// <summary>Whether the process stands still, with all its threads: they come to it one after another.</summary>
    public static bool IsStopped(int pid)
    {
        char[] states = StatesOfThreads(pid);
        return states.Length > 0 && states.All(state => state == 'T');
    }

    /// <summary>Whether all threads of this process whose name begins so are asleep in the kernel, and there are such.</summary>
    public static bool AllSleep(string prefix)
    {
        char[] states = StatesOfThreads(Environment.ProcessId, prefix);
        return states.Length > 0 && states.All(state => state == 'S');
    }

    /// <summary>Live processes, of this user, that were given the variable, whoever their parent is by now.</summary>
    public static IEnumerable<int> WithEnvironment(string variable) =>
        from directory in Directory.EnumerateDirectories("/proc")
        where int.TryParse(Path.GetFileName(directory), out _)
        let pid = int.Parse(Path.GetFileName(directory), System.Globalization.CultureInfo.InvariantCulture)
        where IsAlive(pid) && Read($"/proc/{pid}/environ").Split('\0').Contains(variable)
        select pid;

    /// <summary>A file of /proc; empty if its process is gone or someone else's.</summary>
    public static string Read(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    private static IEnumerable<int> LiveChildren()
    {
        foreach (string directory in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(directory), out int pid) && Parent(pid) == Environment.ProcessId && IsAlive(pid))
                yield return pid;
        }
    }

    private static char[] StatesOfThreads(int pid, string prefix = "")
    {
        try
        {
            return
            [
                .. from task in Directory.EnumerateDirectories($"/proc/{pid}/task")
                   where prefix.Length == 0 || Read($"{task}/comm").StartsWith(prefix, StringComparison.Ordinal)
                   let fields = Stat(task)
                   where fields is not null
                   select fields[0][0],
            ];
        }
        catch (IOException)
        {
            return [];
        }
    }

    private static string[]? Stat(int pid) => Stat($"/proc/{pid}");

    private static string[]? Stat(string directory)
    {
        try
        {
            string text = File.ReadAllText($"{directory}/stat");

            // The name in parentheses may hold anything, blanks and parentheses too.
            return text[(text.LastIndexOf(')') + 2)..].Split(' ');
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static char? State(int pid) => Stat(pid)?[0][0];

    public static int? Parent(int pid) => Stat(pid) is { } fields ? int.Parse(fields[1], System.Globalization.CultureInfo.InvariantCulture) : null;

    private static string CommandLine(int pid)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/cmdline").Replace('\0', ' ');
        }
        catch (IOException)
        {
            return "gone";
        }
    }

    // Beside another run of tests, whose names are there too, nobody could tell whose they are.
    private static IEnumerable<string> SharedFiles() => Environment.GetEnvironmentVariable("MANYHANDS_TESTS_BESIDE") is null ? Directory.EnumerateFileSystemEntries("/dev/shm", "manyhands*") : [];

    // Sockets, pipes, pidfds and the like; files and devices belong to the test host.
    private static string? KindOfDescriptor(string path)
    {
        try
        {
            string? target = File.ResolveLinkTarget(path, returnFinalTarget: false)?.Name;
            return target switch
            {
                null => null,
                _ when target.StartsWith("socket:", StringComparison.Ordinal) => "socket",
                _ when target.StartsWith("pipe:", StringComparison.Ordinal) => "pipe",
                _ when target.StartsWith("memfd:", StringComparison.Ordinal) => "memfd",
                _ when target.Contains("pidfd", StringComparison.Ordinal) => "pidfd",
                _ when target.Contains("eventpoll", StringComparison.Ordinal) => "epoll",
                _ => null,
            };
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static string? ThreadName(string task)
    {
        try
        {
            string name = File.ReadAllText(Path.Combine(task, "comm")).Trim();
            return name.StartsWith("ManyHands", StringComparison.Ordinal) || name.StartsWith("Pool-", StringComparison.Ordinal) ? name : null;
        }
        catch (IOException)
        {
            return null;
        }
    }
}
