using System.Runtime.InteropServices;
using ManyHands.Platform;

namespace ManyHands.Queues;

/// <summary>What a lane begins with. Its layout is drawn in this room's README.</summary>
[StructLayout(LayoutKind.Explicit, Size = 4096)]
internal unsafe struct LaneControl
{
    /// <summary>How many messages it takes; 0 for as many as there is memory for.</summary>
    [FieldOffset(0)]
    public long Capacity;

    /// <summary>Set once: no messages are added any more.</summary>
    [FieldOffset(8)]
    public int Completed;

    // Written under the writers' lock.

    [FieldOffset(64)]
    public ulong WriterLock;

    /// <summary>Where the next message will begin: the chunk in the upper half, the byte in it in the lower. Writing it publishes.</summary>
    [FieldOffset(72)]
    public ulong Tail;

    /// <summary>All messages ever added.</summary>
    [FieldOffset(80)]
    public ulong Added;

    /// <summary>What <see cref="Tail"/> is going to be, and <see cref="Added"/> with it: for the next writer, should this one be killed between the two.</summary>
    [FieldOffset(88)]
    public ulong NextTail;

    [FieldOffset(96)]
    public ulong NextAdded;

    /// <summary>How many chunks there are.</summary>
    [FieldOffset(104)]
    public uint Chunks;

    /// <summary>What a writer last saw of <see cref="Taken"/>.</summary>
    [FieldOffset(112)]
    public ulong SeenTaken;

    // Written under the readers' lock.

    [FieldOffset(192)]
    public ulong ReaderLock;

    /// <summary>Where the next message begins that nobody has taken.</summary>
    [FieldOffset(200)]
    public ulong Head;

    /// <summary>All messages ever taken.</summary>
    [FieldOffset(208)]
    public ulong Taken;

    [FieldOffset(216)]
    public ulong NextHead;

    [FieldOffset(224)]
    public ulong NextTaken;

    /// <summary>What a reader last saw of <see cref="Tail"/>: up to there nobody needs to look at the writers' memory.</summary>
    [FieldOffset(232)]
    public ulong SeenTail;

    /// <summary>Where the oldest message begins that may still be asked for again; writers may use what lies before it.</summary>
    [FieldOffset(240)]
    public ulong Done;

    /// <summary>For readers that wait for a message.</summary>
    [FieldOffset(320)]
    public WakeWords Messages;

    /// <summary>For writers that wait for room.</summary>
    [FieldOffset(448)]
    public WakeWords Room;

    /// <summary>For those who wait until everything is done.</summary>
    [FieldOffset(576)]
    public WakeWords Idle;

    // Written under the readers' lock.

    /// <summary>How many messages are on lease, or have come back and are not taken again.</summary>
    [FieldOffset(704)]
    public int Leases;

    /// <summary>How many have come back.</summary>
    [FieldOffset(708)]
    public int Returned;

    /// <summary>Slots from here on are free.</summary>
    [FieldOffset(712)]
    public int SlotBound;

    /// <summary>Slots before it are not.</summary>
    [FieldOffset(716)]
    public int FirstFree;

    /// <summary>How many chunks of slots there are.</summary>
    [FieldOffset(720)]
    public int SlotChunks;

    /// <summary>The last ticket that was given.</summary>
    [FieldOffset(728)]
    public ulong Ticket;

    /// <summary>When somebody has to look next for leases that are over, in milliseconds of the system's clock.</summary>
    [FieldOffset(736)]
    public long NextSweep;

    /// <summary>The numbers of the chunks of slots.</summary>
    [FieldOffset(768)]
    public fixed uint SlotChunk[MessageLane.LeaseTable.MostChunks];
}
