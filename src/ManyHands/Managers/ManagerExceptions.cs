namespace ManyHands;

/// <summary>What a manager refused.</summary>
public enum ManagerError
{
    /// <summary>Nothing is registered under that name.</summary>
    NotFound,

    /// <summary>What is registered under that name is of another kind, or holds items of another type.</summary>
    OtherType,

    /// <summary>The client has, or asked for, more than a client may have, or the manager holds as much as it may.</summary>
    Quota,

    /// <summary>The manager couldn't make sense of a request: the two sides are of versions that don't fit.</summary>
    BadRequest,

    /// <summary>
    /// The manager's storage couldn't keep a change, and so it was not made; the message says why. Of several items that were to be added, some may have been, and then it says how many.
    /// <see cref="ManagerStatistics.StorageFailure"/> says whether the storage is out of order as a whole.
    /// </summary>
    NotStored,

    /// <summary>The manager has stopped, or what was asked for was taken away.</summary>
    Gone,

    /// <summary>The key is not the manager's, or the manager hasn't got ours.</summary>
    WrongKey,

    /// <summary>The manager itself failed at the request, and only at that. Its log says more. Whether the request was done isn't known.</summary>
    Failed,
}

/// <summary>A manager refused what it was asked for. The message says why, and what to do.</summary>
public sealed class ManagerException : Exception
{
    internal ManagerException(ManagerError error, string message, Exception? inner = null)
        : base(message, inner) => Error = error;

    /// <summary>What kind of refusal it is.</summary>
    public ManagerError Error { get; }
}
