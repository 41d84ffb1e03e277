using System.Globalization;
using ManyHands.Platform;

namespace ManyHands.Workers;

/// <summary>
/// Keeps one worker process within a limit on its memory, by the best that this machine offers: a control group of its own where one can be made, else by looking
/// at it again and again. Either way the worker's garbage collector knows a limit as well, so that managed code mostly gets an exception instead of a death.
/// </summary>
internal sealed class MemoryLimit : IDisposable
{
    private const string HeapLimitVariable = "DOTNET_GCHeapHardLimit";
    private static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(50);

    private readonly long bytes;
    private readonly ControlGroup? group;
    private readonly Lock gate = new();
    private Deadline? nextLook;
    private bool disposed;

    public MemoryLimit(long bytes)
    {
        this.bytes = bytes;
        group = ControlGroup.TryCreate(bytes);
    }

    public MemoryLimitMechanisms Mechanisms { get; private set; }

    /// <summary>The most that was used, in bytes, if the system counted it; with what the worker has started.</summary>
    public long? Peak => group?.Peak;

    /// <summary>What to tell whoever asks why the system killed the worker; null if its memory wasn't why.</summary>
    public string? Breach => group is { HasKilled: true } ? Reason : null;

    private string Reason => $"it used more memory than its limit of {bytes / (1024.0 * 1024.0):N0} MiB allows";

    /// <summary>The environment of the worker, with its garbage collector's limit, unless that says something about it already.</summary>
    public IReadOnlyDictionary<string, string?> AddTo(IReadOnlyDictionary<string, string?> environment)
    {
        if (environment.ContainsKey(HeapLimitVariable))
            return environment;
        Mechanisms |= MemoryLimitMechanisms.GarbageCollector;
        return new Dictionary<string, string?>(environment)
        {
            [HeapLimitVariable] = (bytes / 4 * 3).ToString("X", CultureInfo.InvariantCulture),
        };
    }

    /// <summary>Begins with the process that has just started.</summary>
    /// <param name="processId">The process.</param>
    /// <param name="kill">Ends it, for the reason given.</param>
    public void Apply(int processId, Action<string> kill)
    {
        if (group?.TryAdd(processId) == true)
        {
            Mechanisms |= MemoryLimitMechanisms.ControlGroup;
            return;
        }

        Mechanisms |= MemoryLimitMechanisms.Watchdog;
        LookLater(processId, kill);
    }

    public void Dispose()
    {
        lock (gate)
        {
            disposed = true;
            nextLook?.Cancel();
        }

        group?.Dispose();
    }

    private void LookLater(int processId, Action<string> kill)
    {
        lock (gate)
        {
            if (disposed)
                return;
            nextLook = Deadlines.After(
                LookInterval,
                () =>
                {
                    if (ProcessMemory.Resident(processId) > bytes)
                        kill(Reason);
                    else
                        LookLater(processId, kill);
                },
                failed: _ => LookLater(processId, kill));
        }
    }
}
