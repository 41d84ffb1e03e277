namespace ManyHands.Transport;

/// <summary>
/// What a frame between a parent and its worker says. Both are always the same build, so there are no versions to bridge.
/// A frame is 16 bytes of header (see <see cref="Frame"/>) and a payload.
/// </summary>
internal enum FrameKind : byte
{
    /// <summary>Parent → worker, first of all. The worker's name and culture.</summary>
    Setup = 1,

    /// <summary>Parent → worker, before the first call of a function. Id: the function's number. Payload: its definition.</summary>
    Define = 2,

    /// <summary>Parent → worker. Id: the call. Payload: the function's number, then target and arguments. Calls run one at a time, in the order they come.</summary>
    Call = 3,

    /// <summary>Parent → worker. Id: the call whose token is to be cancelled. One that has not started comes back as <see cref="Returned"/>.</summary>
    Cancel = 4,

    /// <summary>Parent → worker. Asks for all calls back that have not started; each comes as <see cref="Returned"/>.</summary>
    Recall = 5,

    /// <summary>Parent → worker. No more calls will come; end when the last has ended.</summary>
    Shutdown = 6,

    /// <summary>Worker → parent, first of all: it can take calls.</summary>
    Ready = 16,

    /// <summary>Worker → parent, after decoding and before the function is called. From here on the call counts as run.</summary>
    Started = 17,

    /// <summary>Worker → parent. Flags: the <c>OutcomeKind</c>, and 128 if output was written meanwhile. Payload: the outcome's. The last frame of a call.</summary>
    Ended = 18,

    /// <summary>Worker → parent. Payload: the receiver's number and the reported value.</summary>
    Progress = 19,

    /// <summary>Worker → parent. The call was not started and never will be here. The last frame of a call.</summary>
    Returned = 20,
}

/// <summary>
/// A received frame. Header: payload length (4 bytes), kind (1), flags (1), run time in units of 16 µs (2), id (8).
/// </summary>
/// <param name="RunTime">Of an <see cref="FrameKind.Ended"/> frame: how long the function ran, at most about a second; saturates.</param>
/// <param name="Payload">Belongs to the channel; valid until the next frame is received.</param>
internal readonly record struct Frame(FrameKind Kind, byte Flags, ushort RunTime, long Id, ReadOnlyMemory<byte> Payload)
{
    public const int HeaderSize = 16;
    public const byte WroteOutput = 128;

    /// <summary>A run time in the header's units.</summary>
    public static ushort InHeaderUnits(TimeSpan time) => (ushort)Math.Min(ushort.MaxValue, time.Ticks / 160);

    public TimeSpan RunTimeSpan => TimeSpan.FromTicks(RunTime * 160L);
}
