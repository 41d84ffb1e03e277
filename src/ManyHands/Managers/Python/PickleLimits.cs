namespace ManyHands.Managers;

/// <summary>What a pickle may ask of its reader. Its length is bounded by whoever reads the frame.</summary>
internal sealed record PickleLimits
{
    /// <summary>For what an authenticated peer sends.</summary>
    public static readonly PickleLimits Default = new();

    /// <summary>The lowest protocol, from 0. Protocols 0 and 1 have no header.</summary>
    public int MinimumProtocol { get; init; }

    /// <summary>How deep values may stand in each other; what is put into a list that is already in another counts from there.</summary>
    public int MaximumDepth { get; init; } = 250;

    /// <summary>How many values may be made, items counted.</summary>
    public int MaximumItems { get; init; } = 8_000_000;

    /// <summary>How many bytes an integer may have: writing it as text takes time with the square of that.</summary>
    public int MaximumIntegerBytes { get; init; } = 64 * 1024;

    /// <summary>
    /// Whether an object of an unknown class that is made by a call, as exceptions are, is read as a <see cref="PythonError"/> of that name. It is a name and stays one; but a server has no use for it, and a client
    /// wants to tell what was raised.
    /// </summary>
    public bool KeepsUnknownClasses { get; init; }
}

/// <summary>Bytes that are no pickle, or one of something else than plain values.</summary>
internal sealed class InvalidPickleException(string message, Exception? inner = null) : Exception(message, inner);
