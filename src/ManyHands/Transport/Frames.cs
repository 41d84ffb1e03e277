using System.Numerics;

namespace ManyHands.Transport;

/// <summary>
/// What a frame between a parent and its worker says. Both are always the same build, so there are no versions to bridge.
/// A frame is 16 bytes of header (see <see cref="Frame"/>), for some kinds an argument of 8 bytes, and a payload.
/// </summary>
internal enum FrameKind : byte
{
    /// <summary>Parent → worker, first of all. The worker's name and culture.</summary>
    Setup = 1,

    /// <summary>Parent → worker, before the first call of a function. Id: the function's number. Payload: its definition.</summary>
    Define = 2,

    /// <summary>
    /// Parent → worker. Id: the first call's sequence number. Argument: how many calls of one function it holds, and the function's number. Payload: for each its length,
    /// if the flag says so, then target and arguments. Calls run one at a time, in the order they come.
    /// </summary>
    Call = 3,

    /// <summary>Parent → worker, urgent. Id: the first sequence number of the calls whose token is to be cancelled. What has not started comes back as <see cref="Returned"/>.</summary>
    Cancel = 4,

    /// <summary>Parent → worker, urgent. Asks for all calls back that have not started; they come as <see cref="Returned"/>.</summary>
    Recall = 5,

    /// <summary>Parent → worker. No more calls will come; end when the last has ended.</summary>
    Shutdown = 6,

    /// <summary>Worker → parent, first of all: it can take calls.</summary>
    Ready = 16,

    /// <summary>Worker → parent, where there is no shared memory to say it in. Id: the call's number. It counts as run from here on.</summary>
    Started = 17,

    /// <summary>
    /// Worker → parent. Id: the call's sequence number. Flags: the <c>OutcomeKind</c>, and whether output was written meanwhile. Payload: the outcome's.
    /// The last frame of a call.
    /// </summary>
    Ended = 18,

    /// <summary>
    /// Worker → parent. Results of calls that were sent together, but for the last. Id: the first one's sequence number. Argument: how many. Payload: for each its
    /// length and the encoded result.
    /// </summary>
    Results = 21,

    /// <summary>Worker → parent. Id: the call. Argument: the receiver's number. Payload: the reported value.</summary>
    Progress = 19,

    /// <summary>Worker → parent. Id: the first call's sequence number. It and those that came with it behind it were not started and never will be here.</summary>
    Returned = 20,

    /// <summary>Either way. Id: the number of a segment that the sender of this has read and doesn't need any more.</summary>
    SegmentRead = 32,

    /// <summary>Either way. Id: the number of a segment that ceases to be.</summary>
    SegmentDropped = 33,
}

internal static class FrameKinds
{
    public static bool HasArgument(FrameKind kind) => kind is FrameKind.Call or FrameKind.Progress or FrameKind.Results;

    /// <summary>Whether a worker should hear it even while it runs a call.</summary>
    public static bool IsUrgent(FrameKind kind) => kind is FrameKind.Cancel or FrameKind.Recall;
}

/// <summary>
/// A received frame. Header: length of argument and payload (4 bytes), kind (1), flags (1), run time (2), id (8).
/// </summary>
/// <param name="RunTime">Of an <see cref="FrameKind.Ended"/> frame: how long the function ran, for calls sent together how long all of them ran, with the last; see <see cref="InHeaderUnits"/>.</param>
/// <param name="Payload">Belongs to the channel; valid until the frame is released.</param>
/// <param name="Segment">The number of the segment that the payload is in; 0 if it is in none.</param>
/// <param name="Refusal">Why the payload can't be had here, although the other side has sent it; else null.</param>
internal readonly record struct Frame(FrameKind Kind, byte Flags, ushort RunTime, long Id, ulong Argument, ReadOnlyMemory<byte> Payload, long Segment = 0, IOException? Refusal = null)
{
    public const int HeaderSize = 16;
    public const int ArgumentSize = sizeof(ulong);

    /// <summary>Flag of an <see cref="FrameKind.Ended"/> frame.</summary>
    public const byte WroteOutput = 128;

    /// <summary>Flag of an <see cref="FrameKind.Ended"/> frame: the worker ran out of memory and should run nothing more.</summary>
    public const byte Unwell = 32;

    /// <summary>Flag of a <see cref="FrameKind.Call"/> frame: each call's bytes come behind their length.</summary>
    public const byte HasLengths = 1;

    /// <summary>Flag of a <see cref="FrameKind.Call"/> frame: each call has a time limit, so it matters when each starts.</summary>
    public const byte Timed = 4;

    /// <summary>Flag of a <see cref="FrameKind.Call"/> frame: the caller looks for the outcome itself for a while, and may soon have another call.</summary>
    public const byte CallerLooks = 2;

    /// <summary>Flag: the ring holds the number of a segment and a length, and the payload is there.</summary>
    public const byte InSegment = 64;

    private const int MantissaBits = 11;

    /// <summary>A run time in nanoseconds as a number of 16 bits: 11 significant ones, times a power of two. Zero means unknown.</summary>
    public static ushort InHeaderUnits(TimeSpan time)
    {
        ulong nanoseconds = (ulong)Math.Max(1, time.Ticks * 100);
        int exponent = Math.Max(0, 64 - BitOperations.LeadingZeroCount(nanoseconds) - MantissaBits);
        return exponent > 31 ? ushort.MaxValue : (ushort)((uint)exponent << MantissaBits | (uint)(nanoseconds >> exponent));
    }

    /// <summary>The run time; zero only if it is unknown.</summary>
    public TimeSpan RunTimeSpan => RunTime == 0
        ? TimeSpan.Zero
        : TimeSpan.FromTicks(Math.Max(1, (long)((ulong)(RunTime & ((1 << MantissaBits) - 1)) << (RunTime >> MantissaBits)) / 100));
}
