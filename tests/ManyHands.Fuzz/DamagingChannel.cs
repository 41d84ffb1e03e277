using ManyHands.Platform;
using ManyHands.Serialization;
using ManyHands.Transport;

namespace ManyHands.Fuzz;

/// <summary>A worker's channel that changes what is sent before it is published, as often as it was told to.</summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
internal sealed class DamagingChannel(RingChannel inner) : Channel
{
    private byte first;
    private byte second;
    private int left;
    private bool alsoHeader;

    public override bool HearsUrgentFrames => inner.HearsUrgentFrames;

    public override SegmentPool? Segments => inner.Segments;

    public override StartedCall Started => inner.Started;

    public override bool HasUnreadUrgentFrame => inner.HasUnreadUrgentFrame;

    public override bool EndsWithProcess => inner.EndsWithProcess;

    /// <summary>Damages the next outcomes.</summary>
    public void Damage(int count, byte first, byte second, bool alsoHeader)
    {
        (this.first, this.second, this.alsoHeader) = (first, second, alsoHeader);
        left = count;
    }

    public override void Send(FrameKind kind, long id, ReadOnlySpan<byte> payload = default, ulong argument = 0, byte flags = 0, ushort runTime = 0, bool wakeLater = false)
    {
        if (kind is not (FrameKind.Ended or FrameKind.Progress) || --left < 0)
        {
            inner.Send(kind, id, payload, argument, flags, runTime, wakeLater);
            return;
        }

        // What the outcome is, whether there was output, whether the worker is well.
        if (alsoHeader)
            (flags, runTime) = ((byte)((flags ^ second) & ~Frame.InSegment), (ushort)(first * 257));
        inner.Send(kind, id, HostileWorker.Damaged(payload.ToArray(), first, second), argument, flags, runTime, wakeLater);
    }

    public override void Send(FrameKind kind, long id, in EncodedPayload payload, ulong argument = 0, byte flags = 0, ushort runTime = 0, bool wakeLater = false)
    {
        if (left > 0)
            Send(kind, id, payload.Span, argument, flags, runTime, wakeLater);
        else
            inner.Send(kind, id, payload, argument, flags, runTime, wakeLater);
    }

    public override bool TryGather(long sequence, ReadOnlySpan<byte> result) =>
        --left < 0 ? inner.TryGather(sequence, result) : inner.TryGather(sequence, HostileWorker.Damaged(result.ToArray(), first, second));

    public override bool TryReadGathered(out Frame frame) => inner.TryReadGathered(out frame);

    public override void Flush() => inner.Flush();

    public override void MarkStarted(long sequence, bool withTime) => inner.MarkStarted(sequence, withTime);

    public override bool TryRead(out Frame frame) => inner.TryRead(out frame);

    public override void Release(in Frame frame, bool keepSegment = false) => inner.Release(frame, keepSegment);

    public override void ReleaseSegment(long segment) => inner.ReleaseSegment(segment);

    public override bool WaitForFrame() => inner.WaitForFrame();

    public override bool WaitForUrgentFrame() => inner.WaitForUrgentFrame();

    public override bool TryBeginReading() => inner.TryBeginReading();

    public override bool EndReading() => inner.EndReading();

    public override void Abandon() => inner.Abandon();

    public override void Nudge() => inner.Nudge();

    public override void Close() => inner.Close();

    public override void Dispose() => inner.Dispose();
}
