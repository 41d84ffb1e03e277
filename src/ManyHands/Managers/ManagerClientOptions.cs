using System.Security.Cryptography.X509Certificates;

namespace ManyHands;

/// <summary>How a <see cref="ManagerClient"/> connects.</summary>
public sealed record ManagerClientOptions
{
    /// <summary>How the client is called in the manager's statistics, at most 200 characters. Default: the process's name and id, and the machine.</summary>
    public string Name { get; init; } = $"{Environment.MachineName}/{Path.GetFileNameWithoutExtension(Environment.ProcessPath) ?? "process"}-{Environment.ProcessId}";

    /// <summary>The certificate that the manager must have, as is: nothing else about it is looked at. Default: null.</summary>
    public X509Certificate2? ServerCertificate { get; init; }

    /// <summary>The name in the manager's certificate, which must be valid by this machine's list of authorities. Default: null. Without this and <see cref="ServerCertificate"/> the connection is not encrypted.</summary>
    public string? ServerName { get; init; }

    /// <summary>How long connecting may take, with all that belongs to it. Default: 10 s.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// When the connection is lost: how long to try for another before calls fail with <see cref="ConnectionLostException"/>; zero for not at all. What only waited, such as for an item, goes on waiting meanwhile. Default: 30 s.
    /// </summary>
    public TimeSpan ReconnectTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How long a call may take beyond what it was told to wait, before it fails with <see cref="TimeoutException"/>: for a manager that is stopped, or that has more to do than it can.
    /// Default: <see cref="Timeout.InfiniteTimeSpan"/>, as long as the connection holds.
    /// </summary>
    public TimeSpan CallTimeout { get; init; } = Timeout.InfiniteTimeSpan;

    /// <summary>The largest message, in bytes, from 64 KiB to 1 GiB; more than the manager allows is of no use. Default: 64 MiB.</summary>
    public int MaxMessageSize { get; init; } = 64 << 20;

    internal bool IsEncrypted => ServerCertificate is not null || ServerName is not null;

    internal void Validate()
    {
        ArgumentNullException.ThrowIfNull(Name);
        if (Name.Length > 200)
            throw new ArgumentException($"The client's name has {Name.Length} characters, and 200 are allowed.", nameof(Name));
        Positive(ConnectTimeout, nameof(ConnectTimeout), isZeroAllowed: false);
        Positive(ReconnectTimeout, nameof(ReconnectTimeout), isZeroAllowed: true);
        Positive(CallTimeout, nameof(CallTimeout), isZeroAllowed: false);
        if (MaxMessageSize is < (64 << 10) or > (1 << 30))
            throw new ArgumentOutOfRangeException(nameof(MaxMessageSize), MaxMessageSize, $"{nameof(MaxMessageSize)} is between 64 KiB and 1 GiB.");
    }

    private static void Positive(TimeSpan value, string name, bool isZeroAllowed)
    {
        if (value == Timeout.InfiniteTimeSpan)
            return;
        if (value < TimeSpan.Zero || (value == TimeSpan.Zero && !isZeroAllowed) || value > TimeSpan.FromDays(24))
            throw new ArgumentOutOfRangeException(name, value, $"{name} is positive and at most 24 days, or Timeout.InfiniteTimeSpan.");
    }
}
