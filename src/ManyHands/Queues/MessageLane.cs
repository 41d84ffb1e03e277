using ManyHands.Memory;
using ManyHands.Platform;

namespace ManyHands.Queues;

/// <summary>What became of an attempt to add a message.</summary>
internal enum AddResult
{
    Added,
    NoRoom,
    Completed,

    /// <summary>Another writer is at it: sleep on the lock.</summary>
    Busy,
}

/// <summary>What one waiter at a lane's lock has to remember between two attempts.</summary>
internal struct LaneTurn
{
    public bool HasSlept;
}

/// <summary>
/// Messages in shared memory, first in, first out: any number of processes add and take. A message is there as a whole or not at all, and each is taken once, whoever
/// is killed at whichever instruction. One that was taken on lease stays until the lease is completed, and comes back if it ends otherwise.
/// </summary>
/// <remarks>
/// The messages stand one behind the other in a circle of chunks, which gets another chunk wherever the writers catch up with the readers. One robust lock is for
/// writers, another for readers. Writers copy behind the tail, where nobody looks, and publish with one write of it; readers copy, and take with one write of the head. So
/// whoever dies under a lock leaves nothing half done but counts, which the next one mends.
/// Each side remembers what it last saw of the other's words, and looks again only when that is used up: so as long as they are apart, they don't share a cache line.
/// Everything that another process can have written is checked before it is used.
/// </remarks>
internal sealed unsafe partial class MessageLane
{
    public const int ChunkSize = 64 * 1024;

    private const int ControlSize = 4096;
    private const int MessageHeader = 8;

    private readonly SharedBlock block;
    private readonly LaneControl* control;
    private readonly LeaseTable leases;

    public MessageLane(SharedBlock block)
    {
        this.block = block;
        control = (LaneControl*)block.Body;
        leases = new(this, control);
    }

    public long Capacity => control->Capacity;

    public bool IsCompleted => Volatile.Read(ref control->Completed) != 0;

    /// <summary>How many messages wait. Others go on meanwhile.</summary>
    public long Count
    {
        get
        {
            ulong taken = Volatile.Read(ref control->Taken);
            return Math.Max(0, (long)(Volatile.Read(ref control->Added) - taken) + Math.Max(0, Volatile.Read(ref control->Returned)));
        }
    }

    /// <summary>How many are on lease.</summary>
    public int LeasedCount
    {
        get
        {
            int returned = Volatile.Read(ref control->Returned);
            return Math.Max(0, Volatile.Read(ref control->Leases) - returned);
        }
    }

    public bool IsEmpty => Volatile.Read(ref control->Head) == Volatile.Read(ref control->Tail) && Volatile.Read(ref control->Returned) == 0;

    /// <summary>Whether there is nothing to take and nothing that may come back. A lease is counted before the head moves, so the order matters.</summary>
    public bool IsIdle => Volatile.Read(ref control->Head) == Volatile.Read(ref control->Tail) && Volatile.Read(ref control->Leases) == 0;

    /// <summary>Whether a message more can be added, as far as their number goes.</summary>
    public bool HasRoomAtAGlance => Capacity == 0 || Count < Capacity;

    public WakeGate Messages => new(&control->Messages);

    public WakeGate Room => new(&control->Room);

    public WakeGate Idle => new(&control->Idle);

    /// <summary>The largest message there can ever be room for.</summary>
    public long LargestMessage => Math.Min(((LargestChunks - 1) * (ChunkSize - ChunkHeader)) - (2 * MessageHeader), Array.MaxLength);

    private long LargestChunks => (block.BodySize - ControlSize) / ChunkSize;

    /// <summary>How large a block must be for a lane of so many chunks.</summary>
    public static long SizeOf(long chunks) => ControlSize + (chunks * ChunkSize);

    /// <summary>Sets up a new block, of two chunks at least.</summary>
    public static void Initialize(SharedBlock block, long capacity)
    {
        LaneControl* control = (LaneControl*)block.Body;
        uint chunks = (uint)((block.CurrentSize - ControlSize) / ChunkSize);
        control->Capacity = capacity;
        control->Chunks = chunks;
        control->Tail = control->Head = control->NextTail = control->NextHead = control->SeenTail = control->Done = ChunkHeader;
        for (uint chunk = 0; chunk < chunks; chunk++)
            *(uint*)(block.Body + ControlSize + ((long)chunk * ChunkSize)) = (chunk + 1) % chunks;
    }

    /// <summary>No messages are added any more. Whoever adds right now has done so before, or is told.</summary>
    public void Complete()
    {
        RobustLock.Enter(&control->WriterLock, Timeout.InfiniteTimeSpan, CancellationToken.None, out bool wasAbandoned);
        if (wasAbandoned)
            MendWriter();
        Volatile.Write(ref control->Completed, 1);
        RobustLock.Exit(&control->WriterLock);
        WakeAll();
    }

    /// <summary>Lets everyone look, in all processes.</summary>
    public void WakeAll()
    {
        Messages.WakeAll();
        Room.WakeAll();
        Idle.WakeAll();
    }

    /// <summary>Adds messages as far as there is room, and wakes readers.</summary>
    /// <param name="messages">Their bytes; those that were added are taken from the front.</param>
    /// <param name="turn">The waiter's.</param>
    /// <param name="thorough">Whether to see if those who are waited for are alive.</param>
    /// <param name="until">What to sleep on if others are busy.</param>
    /// <returns><see cref="AddResult.Added"/> if all were.</returns>
    /// <exception cref="IOException">The lane should grow, and there is no memory.</exception>
    /// <exception cref="CorruptSharedMemoryException">Another process has written over the lane.</exception>
    public AddResult TryAdd(OutgoingMessages messages, ref LaneTurn turn, bool thorough, out WaitWord until)
    {
        if (!RobustLock.TryEnter(&control->WriterLock, thorough, ref turn.HasSlept, out bool wasAbandoned, out until))
            return AddResult.Busy;
        turn.HasSlept = false;
        AddResult result;
        int added = 0;
        try
        {
            if (wasAbandoned)
                MendWriter();
            while ((result = Add(messages.First)) == AddResult.Added)
            {
                added++;
                if (!messages.MoveOn())
                    break;
            }
        }
        finally
        {
            RobustLock.Exit(&control->WriterLock);
        }

        if (added > 0)
        {
            FaultPoint.Reach(FaultStep.LaneBeforeWake);
            Messages.WakeAfterExchange(added);
        }

        if (result == AddResult.NoRoom && thorough)
            Tend();
        return result;
    }

    /// <summary>Takes messages, if there are any, and wakes writers that wait for room.</summary>
    /// <param name="taken">Receives them, behind one another; what it holds after an exception is nobody's.</param>
    /// <param name="most">How many, at least 1. Fewer are taken where they are large.</param>
    /// <param name="turn">The waiter's.</param>
    /// <param name="thorough">Whether to see if those who are waited for are alive.</param>
    /// <param name="until">What to sleep on if others are busy; else the default.</param>
    /// <returns>Whether there was one; false also if others are busy.</returns>
    /// <exception cref="CorruptSharedMemoryException">Another process has written over the lane.</exception>
    public bool TryTake(TakenMessages taken, int most, ref LaneTurn turn, bool thorough, out WaitWord until)
    {
        until = default;
        if (IsEmptyAtAGlance(thorough) || !EnterReader(ref turn, thorough, out until))
            return false;
        try
        {
            do
            {
                if (!(control->Returned > 0 && leases.TryTakeReturned(taken)) && !TakeNext(taken))
                    break;
            }
            while (taken.Count < most && taken.Size < ChunkSize);
        }
        finally
        {
            RobustLock.Exit(&control->ReaderLock);
        }

        if (taken.Count == 0)
            return false;
        FaultPoint.Reach(FaultStep.LaneBeforeRoomWake);
        Room.WakeAfterExchange(int.MaxValue);
        WakeIfIdle();
        return true;
    }

    /// <summary>Takes the next message on lease: it stays until the lease is completed, and comes back if its holder dies, abandons it, or lets the time pass.</summary>
    /// <param name="taken">Receives it.</param>
    /// <param name="duration">In milliseconds; <see cref="long.MaxValue"/> for as long as the holder lives.</param>
    /// <param name="lease">What it is completed with.</param>
    /// <inheritdoc cref="TryTake"/>
    /// <exception cref="IOException">There is no memory for another lease, or there are too many.</exception>
    public bool TryLease(TakenMessages taken, long duration, out LaneLease lease, ref LaneTurn turn, bool thorough, out WaitWord until)
    {
        lease = default;
        until = default;
        if (IsEmptyAtAGlance(thorough) || !EnterReader(ref turn, thorough, out until))
            return false;
        bool isTaken;
        try
        {
            isTaken = (control->Returned > 0 && leases.TryLeaseReturned(taken, duration, out lease)) || leases.TryLeaseNext(taken, duration, out lease);
        }
        finally
        {
            RobustLock.Exit(&control->ReaderLock);
        }

        if (!isTaken)
            return false;
        FaultPoint.Reach(FaultStep.LaneBeforeRoomWake);
        Room.WakeAfterExchange(int.MaxValue);
        return true;
    }

    /// <summary>Ends or prolongs a lease.</summary>
    /// <returns>False if it isn't the holder's any more.</returns>
    /// <remarks>Waits for the readers' lock, which is held for short times only; a holder of it that is stopped holds this up.</remarks>
    public bool Settle(LaneLease lease, LeaseEnd end, long duration = long.MaxValue)
    {
        RobustLock.Enter(&control->ReaderLock, Timeout.InfiniteTimeSpan, CancellationToken.None, out bool wasAbandoned);
        bool isHeld;
        try
        {
            if (wasAbandoned)
                MendReader();
            SweepIfDue(takesOne: false);
            isHeld = leases.TrySettle(lease, end, duration);
        }
        finally
        {
            RobustLock.Exit(&control->ReaderLock);
        }

        if (!isHeld || end == LeaseEnd.Renewed)
            return isHeld;
        if (end == LeaseEnd.Abandoned)
        {
            Messages.WakeAfterExchange(1);
        }
        else
        {
            FaultPoint.Reach(FaultStep.LeaseBeforeWake);
            Room.WakeAfterExchange(int.MaxValue);
            WakeIfIdle();
        }

        return true;
    }

    /// <summary>Ends what one that died had begun, and has leases return that are over, unless somebody else is at it.</summary>
    public void Tend()
    {
        if (!RobustLock.TryEnter(&control->ReaderLock, out _))
            return;
        ulong taken = control->Taken;
        int returned;
        try
        {
            MendReader();
            returned = leases.Sweep();
        }
        finally
        {
            RobustLock.Exit(&control->ReaderLock);
        }

        if (control->Taken != taken)
            Room.WakeAll();
        if (returned > 0)
            Messages.Wake(returned);
        WakeIfIdle();
    }

    /// <summary>A writer gives up; passes on the wake-ups that it may have had.</summary>
    public void PassOnRoom()
    {
        RobustLock.PassOn(&control->WriterLock);
        Room.Wake();
    }

    /// <summary>A reader gives up; passes on the wake-ups that it may have had.</summary>
    public void PassOnMessages()
    {
        RobustLock.PassOn(&control->ReaderLock);
        if (!IsEmpty)
            Messages.Wake();
    }

    // With leases there is more to see to than what is there. The writers' line is looked at only when what was seen of it is used up.
    private bool IsEmptyAtAGlance(bool thorough)
    {
        if (Volatile.Read(ref control->Head) != Volatile.Read(ref control->SeenTail) || !IsEmpty)
            return false;
        return Volatile.Read(ref control->Leases) <= 0 || !(thorough || Environment.TickCount64 >= Volatile.Read(ref control->NextSweep));
    }

    private bool EnterReader(ref LaneTurn turn, bool thorough, out WaitWord until)
    {
        if (!RobustLock.TryEnter(&control->ReaderLock, thorough, ref turn.HasSlept, out bool wasAbandoned, out until))
            return false;
        turn.HasSlept = false;
        until = default;
        try
        {
            if (wasAbandoned)
                MendReader();
            SweepIfDue(takesOne: true);
        }
        catch
        {
            RobustLock.Exit(&control->ReaderLock);
            throw;
        }

        return true;
    }

    // A reader that is here takes one of those that return itself.
    private void SweepIfDue(bool takesOne)
    {
        if (control->Leases == 0 || Environment.TickCount64 < control->NextSweep)
            return;
        int others = leases.Sweep() - (takesOne ? 1 : 0);
        if (others > 0)
            Messages.Wake(others);
    }

    private void WakeIfIdle()
    {
        if (Volatile.Read(ref control->Head) != Volatile.Read(ref control->SeenTail) || !IsIdle)
            return;
        Idle.Wake(int.MaxValue);
        if (IsCompleted)
            Messages.WakeAll();
    }

    // Ends what one that died under the lock had begun.
    private void MendWriter()
    {
        if (control->Tail == control->NextTail)
            Volatile.Write(ref control->Added, control->NextAdded);
    }

    // One that died between taking and counting would leave the lane full for writers and empty for readers, who then have no reason to look.
    private void MendReader()
    {
        if (control->Head == control->NextHead)
            Volatile.Write(ref control->Taken, control->NextTaken);
        leases.Recount();
    }

    private AddResult Add(ReadOnlySpan<byte> message)
    {
        if (IsCompleted)
            return AddResult.Completed;
        if (control->Capacity > 0 && !HasCapacity())
            return AddResult.NoRoom;
        Position at = Unpack(control->Tail);
        int size = MessageHeader + Aligned(message.Length);
        if (!HasRoom(at, size))
            return AddResult.NoRoom;
        FaultPoint.Reach(FaultStep.LaneReserved);
        if (size <= ChunkSize - at.Offset)
        {
            // The usual case: one piece.
            byte* place = Chunk(at.Chunk) + at.Offset;
            *(long*)place = message.Length;
            CopyHalves(message, new(place + MessageHeader, message.Length));
            at = at with { Offset = at.Offset + (uint)size };
        }
        else
        {
            long header = message.Length;
            Write(ref at, new ReadOnlySpan<byte>(&header, MessageHeader));
            Write(ref at, message[..(message.Length / 2)]);
            FaultPoint.Reach(FaultStep.LaneHalfCopied);
            Write(ref at, message[(message.Length / 2)..]);
            Skip(ref at, Aligned(message.Length) - message.Length);
        }

        control->NextAdded = control->Added + 1;
        Volatile.Write(ref control->NextTail, at.Packed);
        Volatile.Write(ref control->Tail, at.Packed);
        FaultPoint.Reach(FaultStep.LanePublished);
        Volatile.Write(ref control->Added, control->NextAdded);
        return AddResult.Added;
    }

    // In halves where a fault may be ordered between them.
    private static void CopyHalves(ReadOnlySpan<byte> message, Span<byte> to)
    {
#if DEBUG
        message[..(message.Length / 2)].CopyTo(to);
        FaultPoint.Reach(FaultStep.LaneHalfCopied);
#endif
        message.CopyTo(to);
    }

    private bool HasCapacity()
    {
        if ((long)(control->Added - control->SeenTaken) < control->Capacity && Volatile.Read(ref control->Returned) == 0)
            return true;
        control->SeenTaken = Volatile.Read(ref control->Taken);
        return Count < control->Capacity;
    }

    private bool TakeNext(TakenMessages taken)
    {
        if (!CopyNext(taken, out Position behind))
            return false;
        FaultPoint.Reach(FaultStep.LaneCopiedOut);
        MoveHead(behind);
        return true;
    }

    /// <summary>Copies the next message, which stays where it is.</summary>
    /// <param name="taken">Receives it.</param>
    /// <param name="behind">Where it ends.</param>
    private bool CopyNext(TakenMessages taken, out Position behind)
    {
        ulong head = control->Head;
        behind = default;
        if (head == control->SeenTail)
        {
            ulong tail = Volatile.Read(ref control->Tail);
            if (head == tail)
                return false;
            control->SeenTail = tail;
        }

        if (taken.Largest < Array.MaxLength && LengthAt(head) is var length && length > taken.Largest)
        {
            taken.Refused = length;
            return false;
        }

        Copy(head, taken, out behind);
        return true;
    }

    // Of the size that was looked up: it isn't read a second time, when it could be another.
    private int LengthAt(ulong packed)
    {
        Position at = Unpack(packed);
        return (int)ReadHeader(ref at);
    }

    private void Copy(ulong packed, TakenMessages taken, out Position behind)
    {
        Position at = Unpack(packed);
        long length = ReadHeader(ref at);
        if (Aligned((int)length) <= ChunkSize - at.Offset)
        {
            new ReadOnlySpan<byte>(Chunk(at.Chunk) + at.Offset, (int)length).CopyTo(taken.Add((int)length));
            behind = at with { Offset = at.Offset + (uint)Aligned((int)length) };
            return;
        }

        Read(ref at, taken.Add((int)length));
        Skip(ref at, Aligned((int)length) - (int)length);
        behind = at;
    }

    // With this the message is taken.
    private void MoveHead(Position behind)
    {
        control->NextTaken = control->Taken + 1;
        Volatile.Write(ref control->NextHead, behind.Packed);
        Volatile.Write(ref control->Head, behind.Packed);
        FaultPoint.Reach(FaultStep.LaneTaken);
        Volatile.Write(ref control->Taken, control->NextTaken);
        if (control->Leases == 0)
            Volatile.Write(ref control->Done, behind.Packed);
    }
}
