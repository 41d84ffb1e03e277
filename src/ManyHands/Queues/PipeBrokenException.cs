namespace ManyHands;

/// <summary>Nobody can receive any more what is sent into a <see cref="SharedPipeEnd{T}"/>: all that had the other end have disposed of it or died.</summary>
public sealed class PipeBrokenException : IOException
{
    internal PipeBrokenException(string message)
        : base(message)
    {
    }
}
