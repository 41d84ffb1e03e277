using System.Net;
using System.Net.Sockets;

namespace ManyHands;

/// <summary>How <see cref="ManagerServer.ListenPython"/> listens, and what it allows Python clients.</summary>
/// <remarks>
/// Python's protocol has no encryption, and nothing binds what follows to the handshake: who can put themselves between the two sides can read and change everything. It is for this machine, and for networks or tunnels that
/// are protected otherwise.
/// </remarks>
public sealed record PythonListenerOptions
{
    /// <summary>Where to listen: an <see cref="IPEndPoint"/>, whose port 0 takes a free one, or a <see cref="UnixDomainSocketEndPoint"/>. Default: a free port of 127.0.0.1, which only this machine reaches.</summary>
    public EndPoint EndPoint { get; init; } = new IPEndPoint(IPAddress.Loopback, 0);

    /// <summary>
    /// Python's <c>authkey</c>. It must be another than the manager's. On this machine a short one is taken, with a warning to the log; beyond, it has 16 bytes or more. Default: a new key of 32 random bytes, which
    /// <see cref="PythonListener.Key"/> tells.
    /// </summary>
    public ManagerKey? Key { get; init; }

    /// <summary>Further names under which Python clients find objects: what they <c>register</c>, and the name here. Every object can also be found under its own. Default: none.</summary>
    public IDictionary<string, string> Names { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>Whether clients before Python 3.12 may join. They prove their key by HMAC-MD5, in twenty-byte challenges; later ones by SHA-256. Default: false.</summary>
    public bool AllowLegacyMd5 { get; init; }

    /// <summary>Whether to listen beyond this machine, though nothing is encrypted. Default: false.</summary>
    public bool AllowPlaintext { get; init; }

    /// <summary>
    /// Whether clients may make objects of their own, as with a <c>SyncManager</c>: queues, dictionaries, locks and so on. Such an object ends when its last user gives it up, or, as the protocol doesn't tell of users that
    /// were killed, when nobody has used it for <see cref="CreatedObjectLifetime"/>. Default: false.
    /// </summary>
    public bool AllowCreation { get; init; }

    /// <summary>How many objects made by clients there may be at a time. More fail with a Python <c>RuntimeError</c>. Default: 1,000.</summary>
    public int MaxCreatedObjects { get; init; } = 1_000;

    /// <summary>How long an object made by a client is kept that nobody uses. Default: an hour.</summary>
    public TimeSpan CreatedObjectLifetime { get; init; } = TimeSpan.FromHours(1);

    /// <summary>Whether a client may stop the whole manager by Python's <c>shutdown</c>. Default: false.</summary>
    public bool AllowShutdown { get; init; }

    /// <summary>The largest message, in bytes, from 64 KiB to 1 GiB. Default: 64 MiB.</summary>
    public int MaxMessageSize { get; init; } = 64 << 20;

    /// <summary>The most connections at a time; each thread of a client has one. More are refused. Default: 10,000.</summary>
    public int MaxConnections { get; init; } = 10_000;

    /// <summary>How long a peer may take to show that it has the key, from 100 ms to an hour. Default: 10 s.</summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How many peers may be at that at a time; a further one takes the place of the one that has been at it longest, if that is half a second or more. Default: 64.</summary>
    public int MaxHandshakes { get; init; } = 64;

    internal void Validate()
    {
        if (EndPoint is not (IPEndPoint or UnixDomainSocketEndPoint))
            throw new ArgumentException($"Python clients connect to an IPEndPoint or a UnixDomainSocketEndPoint, not to '{EndPoint}'.", nameof(EndPoint));
        if (EndPoint is IPEndPoint { Address: var address } && !IPAddress.IsLoopback(address))
        {
            if (!AllowPlaintext)
                throw new ArgumentException($"{EndPoint} can be reached from other machines, and Python's protocol has no encryption. On a network that is protected otherwise, set {nameof(AllowPlaintext)}; else use a tunnel to 127.0.0.1.", nameof(EndPoint));
            if (Key is { Length: < ManagerKey.ShortestLength } shortKey)
                throw new ArgumentException($"{EndPoint} can be reached from other machines, and a key of {shortKey.Length} bytes is too easily guessed; it needs {ManagerKey.ShortestLength} or more. Make one with ManagerKey.Generate().", nameof(Key));
        }

        foreach ((string name, string target) in Names)
        {
            if (!Managers.PythonExports.IsName(name))
                throw new ArgumentException($"'{name}' can't be registered by a Python client: it begins with a letter or '_', goes on with letters, digits and '_', and is no word of the language.", nameof(Names));
            ArgumentException.ThrowIfNullOrEmpty(target, nameof(Names));
        }

        Range(MaxMessageSize, 64 << 10, 1 << 30, nameof(MaxMessageSize));
        Range(MaxConnections, 1, 1_000_000, nameof(MaxConnections));
        Range(MaxHandshakes, 1, 100_000, nameof(MaxHandshakes));
        Range(MaxCreatedObjects, 0, 10_000_000, nameof(MaxCreatedObjects));
        if (HandshakeTimeout < TimeSpan.FromMilliseconds(100) || HandshakeTimeout > TimeSpan.FromHours(1))
            throw new ArgumentOutOfRangeException(nameof(HandshakeTimeout), HandshakeTimeout, $"{nameof(HandshakeTimeout)} is between 100 ms and an hour.");
        if (CreatedObjectLifetime <= TimeSpan.Zero)
            throw new ArgumentOutOfRangeException(nameof(CreatedObjectLifetime), CreatedObjectLifetime, $"{nameof(CreatedObjectLifetime)} is more than zero.");
    }

    private static void Range(long value, long least, long most, string name)
    {
        if (value < least || value > most)
            throw new ArgumentOutOfRangeException(name, value, $"{name} is between {least:N0} and {most:N0}, not {value:N0}.");
    }
}
