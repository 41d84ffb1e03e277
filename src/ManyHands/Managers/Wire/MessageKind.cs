namespace ManyHands.Managers;

/// <summary>
/// What is said on a connection after the handshake. Each message is a length (4 bytes, of all that follows) and one of these bytes; numbers are little-endian.
/// A kind that the receiver doesn't know ends the connection.
/// </summary>
internal enum MessageKind : byte
{
    /// <summary>
    /// Client to server: do something. Id (4; 0: no answer is wanted), object (4; 0 is the manager), <see cref="Operation"/> (1), milliseconds that it may wait (8; -1 for ever),
    /// how many deliveries have arrived (8), then what the operation says.
    /// </summary>
    Request = 1,

    /// <summary>Client to server: the request with that id (4) need not be waited for any longer. It is answered all the same, once, with what came first.</summary>
    Cancel = 2,

    /// <summary>Client to server, when it has nothing else to say: how many deliveries have arrived (8). An item whose delivery hasn't arrived returns to its queue when the connection ends.</summary>
    Received = 3,

    /// <summary>Server to client: the request's (4) result; the rest is what the operation says.</summary>
    Result = 4,

    /// <summary>Server to client: the request (4) failed: <see cref="FailureKind"/> (1) and a text, or an exception.</summary>
    Failure = 5,

    /// <summary>Server to client: it stops, and no more answers come. Client to server: it leaves. The connection ends.</summary>
    Farewell = 6,
}

/// <summary>Why a request failed. What the client makes of it is in <see cref="Failures"/>.</summary>
internal enum FailureKind : byte
{
    /// <summary>No object of that name. Name and what there is.</summary>
    NotFound = 1,

    /// <summary>The object is of another kind, or holds another type.</summary>
    OtherType = 2,

    /// <summary>The client took back what it asked for before it was done.</summary>
    Canceled = 3,

    /// <summary>The queue was completed.</summary>
    Completed = 4,

    /// <summary>The client has, or asked for, more than a client may have.</summary>
    Quota = 5,

    /// <summary>Who asked doesn't hold the lock, or releases more than there was.</summary>
    NotHeld = 6,

    /// <summary>The barrier is broken.</summary>
    Broken = 7,

    /// <summary>The bytes were no such request. Nothing was done.</summary>
    BadRequest = 8,

    /// <summary>The storage couldn't keep the change, and so it was not made. Of several items that were to be added, those that the text counts were.</summary>
    NotStored = 9,

    /// <summary>The object's own method threw: an exception, as <see cref="Calls.RemoteFailure"/> writes it.</summary>
    Thrown = 10,

    /// <summary>An index or a count is out of range.</summary>
    OutOfRange = 11,

    /// <summary>The manager has stopped, or the object was taken away.</summary>
    Gone = 12,

    /// <summary>What the object's own method returned can't travel.</summary>
    UnsendableResult = 13,

    /// <summary>The manager threw what nobody foresaw. Whether the request was done isn't known. A text.</summary>
    Failed = 14,
}
