using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Transport;

/// <summary>The system refuses what a large payload needs on its way. Nothing of the frame was sent, and the channel is as it was.</summary>
internal sealed class PayloadNotSentException(string message, Exception inner) : IOException(message, inner);

/// <summary>
/// Frames between a parent and one worker, both ways, in order. The seam between what is said (above) and how it gets across (below).
/// Nothing is shared between two workers' channels, so a killed worker can damage only its own.
/// </summary>
internal abstract class Channel : IDisposable
{
    /// <summary>
    /// Whether a second thread of the worker hears <see cref="FrameKinds.IsUrgent">urgent</see> frames while the first runs a call. If not, the second
    /// thread reads all frames.
    /// </summary>
    public abstract bool HearsUrgentFrames { get; }

    /// <summary>Where large payloads should be written, so that they need no copying to be sent; null if that makes no difference.</summary>
    public virtual SegmentPool? Segments => null;

    /// <summary>What the worker said last about the call it runs.</summary>
    public abstract StartedCall Started { get; }

    /// <summary>
    /// Sends a frame; thread-safe. In a parent it never waits for the worker. If the other side is gone, nothing happens: the receiving side
    /// learns of it.
    /// </summary>
    /// <param name="kind">What it says.</param>
    /// <param name="id">The frame's number; what it counts depends on the kind.</param>
    /// <param name="payload">May be empty.</param>
    /// <param name="argument">Travels with the kinds that <see cref="FrameKinds.HasArgument">have one</see>.</param>
    /// <param name="flags">Depends on the kind.</param>
    /// <param name="runTime">See <see cref="Frame.RunTime"/>.</param>
    /// <param name="wakeLater">The other side may be told later, by <see cref="Flush"/>.</param>
    public abstract void Send(FrameKind kind, long id, ReadOnlySpan<byte> payload = default, ulong argument = 0, byte flags = 0, ushort runTime = 0, bool wakeLater = false);

    /// <summary>Sends a frame whose payload may be in a segment that the other side can read where it is.</summary>
    /// <inheritdoc cref="Send(FrameKind, long, ReadOnlySpan{byte}, ulong, byte, ushort, bool)"/>
    public virtual void Send(FrameKind kind, long id, in EncodedPayload payload, ulong argument = 0, byte flags = 0, ushort runTime = 0, bool wakeLater = false) =>
        Send(kind, id, payload.Span, argument, flags, runTime, wakeLater);

    /// <summary>
    /// Adds one call's result to those that go in one frame; false if it must be sent as a frame of its own. It survives the worker's death like one that was sent. Nobody is woken
    /// for it.
    /// </summary>
    public virtual bool TryGather(long sequence, ReadOnlySpan<byte> result) => false;

    /// <summary>After a worker's death, what it had gathered and not sent.</summary>
    public virtual bool TryReadGathered(out Frame frame)
    {
        frame = default;
        return false;
    }

    /// <summary>Tells the other side of frames that were sent with the word that it may learn of them later.</summary>
    public virtual void Flush()
    {
    }

    /// <summary>Says that the call with this number starts now, so that it counts as run whatever happens. Survives the worker's death.</summary>
    /// <param name="sequence">The number.</param>
    /// <param name="withTime">Whether somebody may ask when; it costs a look at the clock.</param>
    public abstract void MarkStarted(long sequence, bool withTime);

    /// <summary>The next frame, if one is there; never waits. One thread at a time.</summary>
    /// <exception cref="InvalidDataException">What came is no frame.</exception>
    public abstract bool TryRead(out Frame frame);

    /// <summary>Ends the use of the frame that was read last, which must be over before the next is read.</summary>
    /// <param name="keepSegment">Its payload, if in a segment, stays until <see cref="ReleaseSegment"/>.</param>
    public abstract void Release(in Frame frame, bool keepSegment = false);

    /// <summary>Ends the use of a segment that was kept.</summary>
    public virtual void ReleaseSegment(long segment)
    {
    }

    /// <summary>
    /// Waits until there may be a frame to read. False when the other side is gone and everything it sent was read. In a parent, reading has begun
    /// when it returns true (see <see cref="TryBeginReading"/>).
    /// </summary>
    public abstract bool WaitForFrame();

    /// <summary>Waits, in a worker, until there may be an urgent frame to read. False when there never will be any more.</summary>
    public abstract bool WaitForUrgentFrame();

    /// <summary>Whether urgent frames came since this was last asked; whoever asks in a worker then reads all that is there.</summary>
    public virtual bool HasUnreadUrgentFrame => false;

    /// <summary>
    /// For callers that would rather look themselves than be woken: they may read as long as they hold this. The thread that waits for frames
    /// leaves them to whoever has it.
    /// </summary>
    public virtual bool TryBeginReading() => true;

    /// <summary>Ends what <see cref="TryBeginReading"/> began; true if frames came meanwhile, and reading has begun again.</summary>
    public virtual bool EndReading() => false;

    /// <summary>Reads no more, because what came makes no sense: whoever reads ends, and waiting ends.</summary>
    public abstract void Abandon();

    /// <summary>Makes the thread that waits for frames look now.</summary>
    public virtual void Nudge()
    {
    }

    /// <summary>
    /// Whether everything that a process has sent can be read when it has ended, so that the channel may be closed at once. If not, the channel finds its end by itself, behind what is
    /// still under way.
    /// </summary>
    public abstract bool EndsWithProcess { get; }

    /// <summary>Makes waiting end, once everything that came was read. Safe to call from anywhere.</summary>
    public abstract void Close();

    public abstract void Dispose();
}

/// <summary>The call that a worker started last.</summary>
/// <param name="Sequence">Its number; 0 if it has started none.</param>
/// <param name="At">When, as a timestamp of <see cref="System.Diagnostics.Stopwatch"/>.</param>
internal readonly record struct StartedCall(long Sequence, long At);
