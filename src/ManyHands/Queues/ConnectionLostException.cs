namespace ManyHands;

/// <summary>
/// The connection to a manager, or to a worker on another machine, was lost before the answer came. Whether what was asked for has happened is not known, unless the message says so; what was only waited for has not.
/// </summary>
public sealed class ConnectionLostException : IOException
{
    internal ConnectionLostException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}
