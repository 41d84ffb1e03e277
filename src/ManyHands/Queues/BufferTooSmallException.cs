namespace ManyHands;

/// <summary>A message is larger than the buffer that it was to be received into. It is still there: receive it with a buffer of at least <see cref="MessageLength"/> bytes.</summary>
public sealed class BufferTooSmallException : ArgumentException
{
    internal BufferTooSmallException(int messageLength, int bufferLength)
        : base($"The next message has {messageLength:N0} bytes, and the buffer {bufferLength:N0}. The message is still there; receive it with a larger buffer, or with Receive(), which makes an array of the right size.") =>
        MessageLength = messageLength;

    /// <summary>How many bytes the message has.</summary>
    public int MessageLength { get; }
}
