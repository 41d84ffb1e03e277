using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;

namespace ManyHands;

/// <summary>How a <see cref="ManagerServer"/> listens and what it allows.</summary>
public sealed record ManagerOptions
{
    /// <summary>Where to listen: an <see cref="IPEndPoint"/>, whose port 0 takes a free one, or a <see cref="UnixDomainSocketEndPoint"/>. Default: a free port of 127.0.0.1, which only this machine reaches.</summary>
    public EndPoint EndPoint { get; init; } = new IPEndPoint(IPAddress.Loopback, 0);

    /// <summary>What clients must know: 16 bytes or more. Default: a new key of 32 random bytes, which <see cref="ManagerServer.Key"/> tells.</summary>
    public ManagerKey? Key { get; init; }

    /// <summary>With one, all connections are encrypted, and clients see whom they talk to. Needs its private key. Default: null, which is refused beyond loopback unless <see cref="AllowPlaintext"/> is set.</summary>
    public X509Certificate2? Certificate { get; init; }

    /// <summary>Whether to listen beyond this machine without encryption: who can read the network reads everything, and can put own messages into connections. For networks that are protected otherwise. Default: false.</summary>
    public bool AllowPlaintext { get; init; }

    /// <summary>The largest message, in bytes, from 64 KiB to 1 GiB: an item with all that belongs to it. Default: 64 MiB.</summary>
    public int MaxMessageSize { get; init; } = 64 << 20;

    /// <summary>The most clients at a time. More are refused. Default: 10,000.</summary>
    public int MaxClients { get; init; } = 10_000;

    /// <summary>How many requests of one client may be under way or wait. More fail with <see cref="ManagerException"/>. Default: 10,000.</summary>
    public int MaxRequestsPerClient { get; init; } = 10_000;

    /// <summary>What all queues, dictionaries, lists and values may hold together, in bytes of data. What doesn't fit fails with <see cref="ManagerException"/>. Default: 1 GiB.</summary>
    public long MaxStoredBytes { get; init; } = 1L << 30;

    /// <summary>How long a peer may take to show that it has the key, from 100 ms. Default: 10 s.</summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How many peers may be at that at a time; a further one takes the place of the one that has been at it longest. Default: 64.</summary>
    public int MaxHandshakes { get; init; } = 64;

    /// <summary>Keeps queues and dictionaries beyond the end of the process. Default: null, nothing is kept.</summary>
    public ManagerStorage? Storage { get; init; }

    /// <summary>Told of clients that come and go, of refused ones, and of warnings. Default: null; warnings then go to <see cref="System.Diagnostics.Trace"/>.</summary>
    public ILogger? Logger { get; init; }

    internal void Validate()
    {
        if (EndPoint is not (IPEndPoint or UnixDomainSocketEndPoint))
            throw new ArgumentException($"A manager listens on an IPEndPoint or a UnixDomainSocketEndPoint, not on '{EndPoint}'.", nameof(EndPoint));
        if (Key is { Length: < ManagerKey.ShortestLength } shortKey)
            throw new ArgumentException($"A key of {shortKey.Length} bytes is too easily guessed; it needs {ManagerKey.ShortestLength} or more. Make one with ManagerKey.Generate().", nameof(Key));
        if (EndPoint is IPEndPoint { Address: var address } && !IPAddress.IsLoopback(address) && Certificate is null && !AllowPlaintext)
            throw new ArgumentException($"{EndPoint} can be reached from other machines, and connections would not be encrypted. Set {nameof(Certificate)}; or, on a network that is protected otherwise, {nameof(AllowPlaintext)}.", nameof(EndPoint));
        if (Certificate is { HasPrivateKey: false })
            throw new ArgumentException("The certificate has no private key, so no client could be answered with it.", nameof(Certificate));
        Range(MaxMessageSize, 64 << 10, 1 << 30, nameof(MaxMessageSize));
        Range(MaxClients, 1, 1_000_000, nameof(MaxClients));
        Range(MaxRequestsPerClient, 1, 10_000_000, nameof(MaxRequestsPerClient));
        Range(MaxStoredBytes, 1, long.MaxValue, nameof(MaxStoredBytes));
        Range(MaxHandshakes, 1, 100_000, nameof(MaxHandshakes));
        if (HandshakeTimeout < TimeSpan.FromMilliseconds(100) || HandshakeTimeout > TimeSpan.FromHours(1))
            throw new ArgumentOutOfRangeException(nameof(HandshakeTimeout), HandshakeTimeout, $"{nameof(HandshakeTimeout)} is between 100 ms and an hour.");
    }

    private static void Range(long value, long least, long most, string name)
    {
        if (value < least || value > most)
            throw new ArgumentOutOfRangeException(name, value, $"{name} is between {least:N0} and {most:N0}, not {value:N0}.");
    }
}
