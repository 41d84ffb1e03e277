namespace ManyHands;

/// <summary>
/// A shared object was sent here, and by the time it was opened no process that is known had it any more: the sender had ended or disposed of it. Keep a shared
/// object until those it was sent to have it; a call's result says that much for its arguments.
/// </summary>
public sealed class SharedObjectLostException : IOException
{
    internal SharedObjectLostException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}

/// <summary>Another process has written over what describes a shared object, or the memory is of another version of the library. The message has the values.</summary>
public sealed class CorruptSharedMemoryException : IOException
{
    internal CorruptSharedMemoryException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}
