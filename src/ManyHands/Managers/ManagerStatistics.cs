using System.Net;

namespace ManyHands;

/// <summary>What a manager has and who uses it, at one moment.</summary>
public sealed record ManagerStatistics
{
    /// <summary>Where it listens.</summary>
    public required EndPoint EndPoint { get; init; }

    /// <summary>Who is connected.</summary>
    public required IReadOnlyList<ManagerClientStatistics> Clients { get; init; }

    /// <summary>What is registered, by name.</summary>
    public required IReadOnlyList<ManagerObjectStatistics> Objects { get; init; }

    /// <summary>How many bytes of data its objects hold together.</summary>
    public required long StoredBytes { get; init; }

    /// <summary>
    /// Why the storage can't keep what has happened at this moment, such as that its disk is full; null while it can, and without one. Until it can again, which is tried by itself, whatever would change something that is kept is refused with
    /// <see cref="ManagerError.NotStored"/>.
    /// </summary>
    public required string? StorageFailure { get; init; }

    /// <summary>How many clients have come so far.</summary>
    public required long AcceptedClients { get; init; }

    /// <summary>How many connections were refused so far: without the key, too slow, too many.</summary>
    public required long RefusedClients { get; init; }
}

/// <summary>One client of a manager, at one moment.</summary>
public sealed record ManagerClientStatistics
{
    /// <summary>What it calls itself.</summary>
    public required string Name { get; init; }

    /// <summary>Where it is; null if the system doesn't tell.</summary>
    public required EndPoint? EndPoint { get; init; }

    /// <summary>When it came.</summary>
    public required DateTimeOffset Since { get; init; }

    /// <summary>How many requests it has made.</summary>
    public required long Requests { get; init; }

    /// <summary>How many of them wait, for an item or a lock.</summary>
    public required int WaitingRequests { get; init; }
}

/// <summary>One object of a manager, at one moment.</summary>
public sealed record ManagerObjectStatistics
{
    /// <summary>What it is registered under.</summary>
    public required string Name { get; init; }

    /// <summary>What it is, such as <c>Queue</c>.</summary>
    public required string Kind { get; init; }

    /// <summary>What it holds, such as <c>string</c>; empty if nothing. A type that is not all of .NET has a hash of its fields with it, by which builds are told apart: <c>Order (layout 3f2a9c1b7d04)</c>.</summary>
    public required string TypeName { get; init; }

    /// <summary>How many it holds.</summary>
    public required long Count { get; init; }

    /// <summary>How many requests wait with it.</summary>
    public required int WaitingRequests { get; init; }
}
