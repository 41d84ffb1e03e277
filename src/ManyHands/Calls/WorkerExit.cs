namespace ManyHands;

/// <summary>How a worker process ended.</summary>
public sealed record WorkerExit
{
    /// <summary>The process id that it had.</summary>
    public required int ProcessId { get; init; }

    /// <summary>Its exit code; null if a signal ended it, or if the system could not tell.</summary>
    public int? ExitCode { get; init; }

    /// <summary>The number of the signal that ended it; null if it exited. Always null on Windows, which has no signals.</summary>
    public int? Signal { get; init; }

    /// <summary>From the start of the process to its end.</summary>
    public required TimeSpan RunTime { get; init; }

    /// <summary>The last lines of its standard error, oldest first; at most 20.</summary>
    public required IReadOnlyList<string> LastErrorLines { get; init; }

    /// <summary>Why we ended it, such as a deadline; null if we didn't.</summary>
    public string? Reason { get; init; }

    /// <summary>The most resident memory that it had, in bytes, as far as that is known; else null.</summary>
    public long? PeakMemory { get; init; }

    /// <summary>What else is known, as sentences to go behind others; empty if nothing.</summary>
    internal string Details()
    {
        string memory = PeakMemory is { } bytes ? $" It had used up to {bytes / (1024.0 * 1024.0):N0} MiB." : "";
        string lines = LastErrorLines.Count == 0 ? "" : $" Its last lines on standard error: {string.Join(" | ", LastErrorLines)}";
        return memory + lines;
    }

    /// <summary>The end in words, such as <c>was killed by signal 9 (SIGKILL)</c> or <c>exited with code 3</c>.</summary>
    public string Describe() => this switch
    {
        { Signal: { } signal } => $"was killed by signal {signal} ({SignalName(signal)})",
        { ExitCode: { } code } => $"exited with code {code}",
        _ => "ended in a way that the system did not record",
    };

    private static string SignalName(int signal) => signal switch
    {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        31 => "SIGSYS",
        _ => "see 'kill -l'",
    };
}
