namespace ManyHands;

/// <summary>
/// Bytes through a pipe without an array per message, at the ends of a <see cref="SharedPipe"/> for <c>byte[]</c>. Messages stay whole, whichever way each side sends and receives them.
/// </summary>
public static class SharedPipeBytes
{
    /// <summary>Sends a copy of the bytes as one message, and waits for room first if the pipe is full.</summary>
    /// <param name="end">The end to send into.</param>
    /// <param name="message">What to send; it is copied.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <inheritdoc cref="SharedPipeEnd{T}.Send" path="exception"/>
    public static void Send(this SharedPipeEnd<byte[]> end, ReadOnlySpan<byte> message, CancellationToken cancellationToken = default) =>
        end.TrySendBytes(message, Timeout.InfiniteTimeSpan, cancellationToken);

    /// <summary>Sends a copy of the bytes as one message, if there is room within that time.</summary>
    /// <param name="end">The end to send into.</param>
    /// <param name="message">What to send; it is copied.</param>
    /// <param name="timeout">How long to wait, <see cref="TimeSpan.Zero"/> for not at all, <see cref="Timeout.InfiniteTimeSpan"/> for ever.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>False if the pipe was full all the time.</returns>
    /// <inheritdoc cref="SharedPipeEnd{T}.Send" path="exception"/>
    public static bool TrySend(this SharedPipeEnd<byte[]> end, ReadOnlySpan<byte> message, TimeSpan timeout = default, CancellationToken cancellationToken = default) =>
        end.TrySendBytes(message, timeout, cancellationToken);

    /// <summary>Sends a copy of the bytes as one message, and waits for room first if the pipe is full, without holding a thread.</summary>
    /// <inheritdoc cref="Send"/>
    public static ValueTask SendAsync(this SharedPipeEnd<byte[]> end, ReadOnlyMemory<byte> message, CancellationToken cancellationToken = default) =>
        end.SendBytesAsync(message, cancellationToken);

    /// <summary>Receives the next message into a buffer, and waits for one if there is none.</summary>
    /// <param name="end">The end to receive at.</param>
    /// <param name="buffer">Where the message goes, from its beginning.</param>
    /// <param name="cancellationToken">Ends the wait; nothing was received then.</param>
    /// <returns>How many bytes the message has; 0 also for a message that is null.</returns>
    /// <exception cref="BufferTooSmallException">The message is larger. It is still there.</exception>
    /// <inheritdoc cref="SharedPipeEnd{T}.Receive" path="exception"/>
    public static int Receive(this SharedPipeEnd<byte[]> end, Span<byte> buffer, CancellationToken cancellationToken = default)
    {
        end.TryReceiveBytes(buffer, out int length, Timeout.InfiniteTimeSpan, cancellationToken);
        return length;
    }

    /// <summary>Receives the next message into a buffer, if there is one within that time.</summary>
    /// <param name="end">The end to receive at.</param>
    /// <param name="buffer">Where the message goes, from its beginning.</param>
    /// <param name="length">How many bytes the message has; 0 also for a message that is null.</param>
    /// <param name="timeout">How long to wait, <see cref="TimeSpan.Zero"/> for not at all, <see cref="Timeout.InfiniteTimeSpan"/> for ever.</param>
    /// <param name="cancellationToken">Ends the wait; nothing was received then.</param>
    /// <returns>False if there was none all the time, and one may still come.</returns>
    /// <exception cref="BufferTooSmallException">The message is larger. It is still there.</exception>
    /// <inheritdoc cref="SharedPipeEnd{T}.Receive" path="exception"/>
    public static bool TryReceive(this SharedPipeEnd<byte[]> end, Span<byte> buffer, out int length, TimeSpan timeout = default, CancellationToken cancellationToken = default) =>
        end.TryReceiveBytes(buffer, out length, timeout, cancellationToken);

    /// <summary>Receives the next message into a buffer, and waits for one if there is none, without holding a thread.</summary>
    /// <inheritdoc cref="Receive"/>
    public static ValueTask<int> ReceiveAsync(this SharedPipeEnd<byte[]> end, Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        end.ReceiveBytesAsync(buffer, cancellationToken);
}
