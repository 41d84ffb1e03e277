using System.Diagnostics;
using ManyHands.Platform;
using ManyHands.Transport;

namespace ManyHands.Workers;

/// <summary>What a child gets at its birth.</summary>
internal sealed record ChildStart
{
    public required string Name { get; init; }

    public required IReadOnlyDictionary<string, string?> Environment { get; init; }

    public required string? WorkingDirectory { get; init; }

    public required Action<WorkerOutputLine>? Output { get; init; }

    /// <summary>Forces the way that works on every platform; for tests of it on Linux.</summary>
    public bool Portable { get; init; }

    public WorkerTransport Transport { get; init; }

    /// <summary>Where large payloads are; null for a pool of the channel's own.</summary>
    public SegmentPool? Segments { get; init; }
}

/// <summary>How a process ended, as the system tells it.</summary>
internal readonly record struct ProcessEnd(int? ExitCode, int? Signal);

/// <summary>
/// A process of ours, from its start to its end, with its channel and its output. How it is started and watched differs by platform.
/// </summary>
internal abstract class ChildProcess : IDisposable
{
    private readonly long startedAt = Stopwatch.GetTimestamp();
    private readonly ManualResetEventSlim ended = new();
    private ProcessEnd end;
    private TimeSpan runTime;
    private Deadline? channelDeadline;

    public abstract int Id { get; }

    public abstract Channel Channel { get; }

    public abstract ChildOutput Output { get; }

    /// <summary>The most resident memory it had, in bytes; null if that isn't known. Known with its end.</summary>
    public virtual long? PeakMemory => null;

    public TimeSpan RunTime => ended.IsSet ? runTime : Stopwatch.GetElapsedTime(startedAt);

    /// <exception cref="IOException">The system refused.</exception>
    public static ChildProcess Start(ChildStart start) =>
        OperatingSystem.IsLinux() && !start.Portable ? LinuxChildProcess.Start(start) : PortableChildProcess.Start(start);

    /// <summary>Waits until the process has ended and its output has been handed on.</summary>
    public bool WaitForEnd(TimeSpan timeout, out ProcessEnd processEnd)
    {
        bool isOver = ended.Wait(timeout);
        processEnd = end;
        return isOver;
    }

    /// <summary>Hands on what the child has written up to now, where its output can be read without waiting. Cheap if there is nothing.</summary>
    /// <param name="wroteSome">Whether the child knows that it wrote something that was not read yet.</param>
    public virtual void DrainOutput(bool wroteSome)
    {
    }

    /// <summary>Asks it to end, in the platform's way (SIGTERM). Its function gets the chance to clean up.</summary>
    public abstract void Terminate();

    /// <summary>Ends it at once, with everything it has started.</summary>
    public abstract void Kill();

    public virtual void Dispose()
    {
        channelDeadline?.Cancel();
        Channel.Dispose();
    }

    /// <summary>Tells the end. A socket ends by itself then, unless something else got hold of the child's end of it.</summary>
    protected void MarkEnded(ProcessEnd how)
    {
        runTime = RunTime;
        end = how;
        if (Channel.EndsWithProcess)
            Channel.Close();
        else
            channelDeadline = Deadlines.After(TimeSpan.FromSeconds(1), Channel.Close);
        ended.Set();
    }
}
