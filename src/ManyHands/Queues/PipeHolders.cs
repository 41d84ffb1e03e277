using System.Runtime.InteropServices;
using ManyHands.Memory;
using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Queues;

/// <summary>What a pipe has besides its lanes, in the free part of its first lane's control page. Its layout is drawn in this room's README.</summary>
[StructLayout(LayoutKind.Explicit, Size = 64 + (2 * PipeSide.Size))]
internal struct PipeControl
{
    /// <summary>The block with the lane to the second end; all zero if the pipe goes one way.</summary>
    [FieldOffset(0)]
    public Guid SecondLane;

    [FieldOffset(64)]
    public PipeSide First;

    [FieldOffset(64 + PipeSide.Size)]
    public PipeSide Second;
}

/// <summary>Who has one end of a pipe.</summary>
[StructLayout(LayoutKind.Explicit, Size = Size)]
internal unsafe struct PipeSide
{
    public const int Size = 8 + (8 * (Holders + Transits));

    /// <summary>How many processes may have one end at a time.</summary>
    public const int Holders = 123;

    /// <summary>How many references to one end may be on their way at a time and be looked after.</summary>
    public const int Transits = 64;

    /// <summary>Counts those that have come, so that a look over the words misses nobody who came behind it.</summary>
    [FieldOffset(0)]
    public ulong Changes;

    /// <summary>One per process that has the end, then one per reference on its way; 0 for none.</summary>
    [FieldOffset(8)]
    public fixed ulong Words[Holders + Transits];
}

/// <summary>
/// Who has the two ends of a pipe. One word per process, written by one instruction: so whoever is killed while it comes or goes leaves a table that is right,
/// and a word whose process is dead counts for nothing.
/// </summary>
/// <remarks>
/// An end on its way to another process has a word too, of the sender, which the receiver takes out when it has its own. So the sender may dispose of its copy at once.
/// One that never arrives is forgotten as its memory is: with the call that it was sent to, else after some seconds.
/// </remarks>
internal sealed unsafe class PipeHolders
{
    /// <summary>Behind what a lane has in its control page.</summary>
    public const int ControlOffset = 1024;

    /// <summary>In place of a number of a word, where there was none free.</summary>
    private const int NoTransit = 0xFF;

    private const int SerialShift = 22;
    private const ulong HighestNumber = 1 << 22;
    private const uint SerialMask = 0x3FF;
    private const long LookEvery = 20;

    private static readonly ulong Own = ((ulong)ProcessIdentity.Current.Start << 32) | (uint)ProcessIdentity.Current.Id;
    private static readonly Lock Gate = new();

    // Keeps the block, so that an end's finalizer still finds it.
    private static readonly Dictionary<Guid, PipeHolders> Known = [];
    private static uint serials;

    private readonly SharedBlock block;
    private readonly int[] users = new int[2];
    private readonly int[] places = new int[2];
    private readonly long[] lookedAt = [long.MinValue / 2, long.MinValue / 2];

    private PipeHolders(SharedBlock block) => this.block = block;

    private PipeSide* this[int side] => side == 0 ? &Control(block)->First : &Control(block)->Second;

    private static PipeControl* Control(SharedBlock block) => (PipeControl*)(block.Body + ControlOffset);

    public static ref Guid SecondLane(SharedBlock firstLane) => ref Control(firstLane)->SecondLane;

    /// <summary>From here to <see cref="Leave"/> this process has one object more for that end.</summary>
    /// <exception cref="IOException">Too many processes have it.</exception>
    public static PipeHolders Enter(SharedBlock block, int side)
    {
        lock (Gate)
        {
            if (!Known.TryGetValue(block.Id, out PipeHolders? holders))
                holders = new(block);
            if (holders.users[side] == 0)
            {
                int place = holders.Add(side, 0, PipeSide.Holders, Own);
                holders.places[side] = place >= 0
                    ? place
                    : throw new IOException($"{PipeSide.Holders} processes have this end of the pipe, and there is no room for more. Dispose of it where it isn't needed, or use a SharedQueue.");
            }

            holders.users[side]++;
            Known[block.Id] = holders;
            return holders;
        }
    }

    public void Leave(int side)
    {
        lock (Gate)
        {
            if (--users[side] > 0)
                return;
            Remove(side, places[side], Own);
            if (users[0] + users[1] > 0)
                return;
            Known.Remove(block.Id);
        }
    }

    /// <summary>Notes that the end is being sent: it is held until its receiver has it.</summary>
    /// <returns>For the receiver's <see cref="EndTransit"/>.</returns>
    public long BeginTransit(int side)
    {
        uint serial = Interlocked.Increment(ref serials) & SerialMask;
        ulong word = Own | ((ulong)serial << SerialShift);
        int place;
        lock (Gate)
            place = Add(side, PipeSide.Holders, PipeSide.Transits, word);
        if (place < 0)
            return NoTransit;
        Transit transit = new(this, side, place, word);
        if (!PayloadWriter.TryEndWithCall(transit))
            Deadlines.After(SharedBlock.TransitTime, transit.End, failed: _ => transit.End());
        return ((long)serial << 8) + (place - PipeSide.Holders);
    }

    /// <summary>The end has arrived here, and this process was entered.</summary>
    public void EndTransit(int side, in SharedReference reference, long transit)
    {
        int place = (int)(transit & 0xFF);
        if (place >= PipeSide.Transits)
            return;
        ulong word = ((ulong)reference.ProcessStart << 32) | (((ulong)(transit >> 8) & SerialMask) << SerialShift) | (uint)reference.Process;
        Remove(side, PipeSide.Holders + place, word);
    }

    /// <summary>Whether nobody has that end.</summary>
    /// <remarks>To see if those who have it are alive takes a system call, and that is done every 20 ms at most.</remarks>
    public bool IsGone(int side)
    {
        long now = Environment.TickCount64;
        bool thorough = now - Volatile.Read(ref lookedAt[side]) >= LookEvery;
        if (thorough)
            Volatile.Write(ref lookedAt[side], now);
        PipeSide* table = this[side];
        while (true)
        {
            ulong changes = Volatile.Read(ref table->Changes);
            for (int i = 0; i < PipeSide.Holders + PipeSide.Transits; i++)
            {
                ulong word = Volatile.Read(ref table->Words[i]);
                if (word == 0)
                    continue;
                if (!thorough || !HasEnded(word))
                    return false;
                Remove(side, i, word);
            }

            // Whoever hands the end on does so by adding first: behind this look, maybe, and was removed before it.
            if (Volatile.Read(ref table->Changes) == changes)
                return true;
        }
    }

    private int Add(int side, int first, int count, ulong word)
    {
        PipeSide* table = this[side];
        foreach (bool overDead in (ReadOnlySpan<bool>)[false, true])
        {
            for (int i = first; i < first + count; i++)
            {
                ulong seen = Volatile.Read(ref table->Words[i]);
                if ((seen == 0 || (overDead && HasEnded(seen))) && Interlocked.CompareExchange(ref table->Words[i], word, seen) == seen)
                {
                    Interlocked.Increment(ref table->Changes);
                    return i;
                }
            }
        }

        return -1;
    }

    private void Remove(int side, int place, ulong word) => Interlocked.CompareExchange(ref this[side]->Words[place], 0, word);

    private static ulong Identity(ulong word) => word & ~((ulong)SerialMask << SerialShift);

    private static bool HasEnded(ulong word)
    {
        ulong identity = Identity(word);
        return identity != Own && ((uint)identity >= HighestNumber || new ProcessIdentity((int)(uint)identity, (uint)(identity >> 32)).HasEnded);
    }

    private sealed class Transit(PipeHolders holders, int side, int place, ulong word) : ISentReference
    {
        // Nobody who waits at the other end is woken for it: it is noticed as a death is.
        public void End() => holders.Remove(side, place, word);
    }
}
