using System.Runtime.InteropServices;
using ManyHands.Platform;

namespace ManyHands.Queues;

/// <summary>One lease, in memory that processes share. Its layout is drawn in this room's README.</summary>
[StructLayout(LayoutKind.Explicit, Size = 64)]
internal struct LeaseSlot
{
    /// <summary>Written last of all: before, the slot doesn't count.</summary>
    [FieldOffset(0)]
    public LeaseState State;

    /// <summary>How often the message was given to somebody.</summary>
    [FieldOffset(4)]
    public int Deliveries;

    /// <summary>The process that has it, as <see cref="RobustLock.Own"/> says it.</summary>
    [FieldOffset(8)]
    public ulong Owner;

    /// <summary>Another for each time it is given.</summary>
    [FieldOffset(16)]
    public ulong Ticket;

    /// <summary>Where the message begins.</summary>
    [FieldOffset(24)]
    public ulong Position;

    /// <summary>How many messages had been taken before it.</summary>
    [FieldOffset(32)]
    public ulong Ordinal;

    /// <summary>In milliseconds of the system's clock; <see cref="long.MaxValue"/> for none.</summary>
    [FieldOffset(40)]
    public long Deadline;
}

internal enum LeaseState : uint
{
    Free,
    Leased,

    /// <summary>It has come back, and waits to be taken again.</summary>
    Returned,
}

/// <summary>What a lease is settled with.</summary>
internal readonly record struct LaneLease(int Slot, ulong Ticket, int Deliveries);

/// <summary>How a lease ends, or goes on.</summary>
internal enum LeaseEnd
{
    Completed,
    Abandoned,
    Renewed,
}

internal sealed unsafe partial class MessageLane
{
    /// <summary>
    /// What was taken on lease. The messages stay where they are, so that they can be read again, and writers don't come past the oldest. All under the readers' lock.
    /// </summary>
    /// <remarks>The slots alone say what is on lease. All counts follow from them, and are found anew after somebody died under the lock.</remarks>
    internal sealed class LeaseTable(MessageLane lane, LaneControl* control)
    {
        public const int MostChunks = 64;
        public const int SlotsPerChunk = (ChunkSize - SlotSize) / SlotSize;

        private const int SlotSize = 64;

        /// <summary>How long the death of a holder may go unnoticed while others take.</summary>
        private const int SweepInterval = 100;

        private readonly Dictionary<ulong, bool> ended = [];

        private int Size => control->SlotChunks is >= 0 and <= MostChunks and int chunks ? chunks * SlotsPerChunk : throw Damaged($"it has {control->SlotChunks} chunks of leases");

        private int Bound => control->SlotBound is >= 0 and int bound && bound <= Size ? bound : throw Damaged($"lease {control->SlotBound} is the last of {Size}");

        /// <summary>Takes a message that came back, for good.</summary>
        public bool TryTakeReturned(TakenMessages taken)
        {
            if (OldestReturned() is not (>= 0 and int index))
                return false;
            LeaseSlot* slot = Slot(index);
            lane.Copy(slot->Position, taken, out _);
            FaultPoint.Reach(FaultStep.LaneCopiedOut);
            Free(index, wasReturned: true);
            return true;
        }

        /// <summary>Takes a message that came back, on lease.</summary>
        public bool TryLeaseReturned(TakenMessages taken, long duration, out LaneLease lease)
        {
            lease = default;
            if (OldestReturned() is not (>= 0 and int index))
                return false;
            LeaseSlot* slot = Slot(index);
            lane.Copy(slot->Position, taken, out _);
            slot->Deliveries++;
            Give(slot, duration);
            FaultPoint.Reach(FaultStep.LeaseWritten);
            slot->State = LeaseState.Leased;
            FaultPoint.Reach(FaultStep.LeaseTaken);
            control->Returned--;
            lease = new(index, slot->Ticket, slot->Deliveries);
            return true;
        }

        /// <summary>Takes the next message, on lease.</summary>
        public bool TryLeaseNext(TakenMessages taken, long duration, out LaneLease lease)
        {
            lease = default;
            if (control->Head == Volatile.Read(ref control->Tail))
                return false;
            int index = FindFree();
            LeaseSlot* slot = Slot(index);
            if (!lane.CopyNext(taken, out Position behind))
                return false;
            slot->Position = control->Head;
            slot->Ordinal = control->Taken;
            slot->Deliveries = 1;
            Give(slot, duration);
            FaultPoint.Reach(FaultStep.LeaseWritten);
            control->SlotBound = Math.Max(control->SlotBound, index + 1);
            control->FirstFree = index + 1;

            // Counted before the head moves: whoever sees the queue empty sees that something is on lease. Until it moves, the slot means nothing (see Recount).
            Volatile.Write(ref control->Leases, control->Leases + 1);
            slot->State = LeaseState.Leased;
            lane.MoveHead(behind);
            FaultPoint.Reach(FaultStep.LeaseTaken);
            lease = new(index, slot->Ticket, 1);
            return true;
        }

        /// <returns>False if somebody else has it by now, or had.</returns>
        public bool TrySettle(LaneLease lease, LeaseEnd end, long duration)
        {
            if (lease.Slot >= Bound || Slot(lease.Slot) is var slot && (slot->State == LeaseState.Free || slot->Ticket != lease.Ticket))
                return false;

            // Its time may have been over without anybody else wanting it.
            bool wasReturned = slot->State == LeaseState.Returned;
            switch (end)
            {
                case LeaseEnd.Completed:
                    FaultPoint.Reach(FaultStep.LeaseCompleting);
                    Free(lease.Slot, wasReturned);
                    break;
                case LeaseEnd.Abandoned:
                    Return(slot);
                    break;
                default:
                    slot->Deadline = Deadline(duration);
                    slot->State = LeaseState.Leased;
                    if (wasReturned)
                        control->Returned--;
                    break;
            }

            return true;
        }

        /// <summary>Has those return whose time is over or whose holders are dead.</summary>
        /// <returns>How many.</returns>
        public int Sweep()
        {
            if (control->Leases == 0)
                return 0;
            long now = Environment.TickCount64;
            control->NextSweep = now + SweepInterval;
            int returned = 0;
            for (int i = Bound - 1; i >= 0; i--)
            {
                LeaseSlot* slot = Slot(i);
                if (slot->State != LeaseState.Leased || (slot->Deadline > now && !HasEnded(slot->Owner)))
                    continue;
                Return(slot);
                returned++;
            }

            ended.Clear();
            return returned;
        }

        /// <summary>Somebody died under the lock: finds all counts anew.</summary>
        public void Recount()
        {
            int leases = 0;
            int returned = 0;
            int bound = 0;
            for (int i = 0; i < Bound; i++)
            {
                LeaseSlot* slot = Slot(i);
                if (slot->State == LeaseState.Free)
                    continue;
                if ((long)(slot->Ordinal - control->Taken) >= 0)
                {
                    // It died before the head moved: the message is everyone's.
                    slot->State = LeaseState.Free;
                    continue;
                }

                leases++;
                if (slot->State == LeaseState.Returned)
                    returned++;
                bound = i + 1;
            }

            control->FirstFree = 0;
            control->SlotBound = bound;
            control->Returned = returned;
            Volatile.Write(ref control->Leases, leases);
            MoveDone();
        }

        private static long Deadline(long duration) => duration == long.MaxValue ? long.MaxValue : Environment.TickCount64 + duration;

        private LeaseSlot* Slot(int index)
        {
            uint chunk = control->SlotChunk[index / SlotsPerChunk];
            lane.CheckChunk(chunk);
            return (LeaseSlot*)(lane.Chunk(chunk) + SlotSize + ((long)(index % SlotsPerChunk) * SlotSize));
        }

        private void Give(LeaseSlot* slot, long duration)
        {
            slot->Owner = RobustLock.Own;
            slot->Ticket = ++control->Ticket;
            slot->Deadline = Deadline(duration);

            // Ours may be the first that is over.
            control->NextSweep = Math.Min(control->NextSweep, Environment.TickCount64 + Math.Min(duration, SweepInterval));
        }

        private void Return(LeaseSlot* slot)
        {
            if (slot->State == LeaseState.Returned)
                return;
            slot->State = LeaseState.Returned;
            FaultPoint.Reach(FaultStep.LeaseReturned);
            Volatile.Write(ref control->Returned, control->Returned + 1);
        }

        private void Free(int index, bool wasReturned)
        {
            LeaseSlot* slot = Slot(index);
            bool wasOldest = slot->Position == control->Done;
            slot->State = LeaseState.Free;
            FaultPoint.Reach(FaultStep.LeaseFreed);
            control->FirstFree = Math.Min(control->FirstFree, index);
            int bound = Bound;
            while (bound > 0 && Slot(bound - 1)->State == LeaseState.Free)
                bound--;
            control->SlotBound = bound;
            if (wasReturned)
                Volatile.Write(ref control->Returned, control->Returned - 1);
            Volatile.Write(ref control->Leases, control->Leases - 1);
            if (wasOldest || control->Leases == 0)
                MoveDone();
        }

        private void MoveDone()
        {
            ulong done = control->Head;
            ulong oldest = ulong.MaxValue;
            for (int i = 0; i < Bound; i++)
            {
                LeaseSlot* slot = Slot(i);
                if (slot->State == LeaseState.Free || slot->Ordinal >= oldest)
                    continue;
                oldest = slot->Ordinal;
                done = slot->Position;
            }

            Volatile.Write(ref control->Done, done);
        }

        private int OldestReturned()
        {
            int found = -1;
            ulong oldest = ulong.MaxValue;
            for (int i = 0; i < Bound; i++)
            {
                LeaseSlot* slot = Slot(i);
                if (slot->State != LeaseState.Returned || slot->Ordinal >= oldest)
                    continue;
                oldest = slot->Ordinal;
                found = i;
            }

            return found;
        }

        private int FindFree()
        {
            int size = Size;
            for (int i = control->FirstFree is >= 0 and int first ? first : throw Damaged($"lease {control->FirstFree} is the first free one"); i < size; i++)
            {
                if (Slot(i)->State == LeaseState.Free)
                    return i;
            }

            if (control->SlotChunks == MostChunks)
                throw new IOException($"{control->Leases:N0} items are on lease, and there is no place for more. Complete some first.");
            control->SlotChunk[control->SlotChunks] = lane.NewChunk();
            control->SlotChunks++;
            return size;
        }

        private bool HasEnded(ulong owner)
        {
            if (!ended.TryGetValue(owner, out bool hasEnded))
                ended[owner] = hasEnded = RobustLock.HasOwnerEnded(owner);
            return hasEnded;
        }
    }
}
