using ManyHands.Managers;

namespace ManyHands;

/// <summary>How a <see cref="PythonManagerClient"/> behaves.</summary>
public sealed record PythonManagerClientOptions
{
    internal static readonly PythonManagerClientOptions Default = new();

    /// <summary>How long connecting and proving the key may take, each time a connection is opened. 10 seconds by default.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a call may take. <see cref="Timeout.InfiniteTimeSpan"/> by default; waiting for a queue's item doesn't count.</summary>
    public TimeSpan CallTimeout { get; init; } = Timeout.InfiniteTimeSpan;

    /// <summary>The most bytes of a request or a reply, from 1 KiB. 64 MiB by default.</summary>
    public int MaximumMessageSize { get; init; } = 64 << 20;

    /// <summary>
    /// Whether servers before Python 3.12 may be joined, which know HMAC-MD5 only. True by default. The answer to such a server is something that whoever took its place can try keys on: only with long random keys.
    /// </summary>
    public bool AllowLegacyMd5 { get; init; } = true;

    internal PythonManagerClientOptions Checked()
    {
        ThrowIfNoTime(ConnectTimeout, nameof(ConnectTimeout));
        ThrowIfNoTime(CallTimeout, nameof(CallTimeout));
        ArgumentOutOfRangeException.ThrowIfLessThan(MaximumMessageSize, 1024, nameof(MaximumMessageSize));
        return this;
    }

    /// <summary>For replies: unknown exceptions are told by name.</summary>
    internal static PickleLimits ReplyLimits { get; } = new() { KeepsUnknownClasses = true };

    private static void ThrowIfNoTime(TimeSpan time, string name)
    {
        if (time <= TimeSpan.Zero && time != Timeout.InfiniteTimeSpan)
            throw new ArgumentOutOfRangeException(name, time, "A time must be positive, or Timeout.InfiniteTimeSpan.");
    }
}
