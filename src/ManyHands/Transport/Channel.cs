namespace ManyHands.Transport;

/// <summary>
/// Frames between a parent and one worker, both ways, in order. The seam between what is said (above) and how it gets across (below).
/// Nothing is shared between two workers' channels, so a killed worker can damage only its own.
/// </summary>
internal abstract class Channel : IDisposable
{
    /// <summary>
    /// Sends a frame; thread-safe. In a parent it never waits for the worker. If the other side is gone, nothing happens: the receiving side
    /// learns of it.
    /// </summary>
    /// <param name="prefix">Goes before the payload, as part of it.</param>
    public abstract void Send(FrameKind kind, long id, ReadOnlySpan<byte> payload = default, ReadOnlySpan<byte> prefix = default, byte flags = 0, ushort runTime = 0);

    /// <summary>Waits for the next frame; one thread at a time. False when the other side is gone and everything it sent was read.</summary>
    /// <exception cref="InvalidDataException">What came is no frame.</exception>
    public abstract bool TryReceive(out Frame frame);

    /// <summary>Makes a waiting <see cref="TryReceive"/> return false. Safe to call from anywhere.</summary>
    public abstract void Close();

    public abstract void Dispose();
}
