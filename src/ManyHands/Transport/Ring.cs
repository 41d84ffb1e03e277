using System.Runtime.Versioning;
using ManyHands.Platform;

namespace ManyHands.Transport;

/// <summary>
/// The writing end of a ring in shared memory: one writer, one reader, in different processes. What is reserved but not yet published doesn't exist
/// for the reader, so a writer killed at any instruction leaves no torn frame.
/// </summary>
/// <remarks>
/// The ring's data is mapped twice in a row, so that no frame is ever cut in two. Positions count all bytes ever written; the data's place is the position
/// modulo the capacity. Not thread-safe; the channel sees to that.
/// </remarks>
[SupportedOSPlatform("linux")]
internal sealed unsafe class RingWriter(RingControl* control, byte* data, uint capacity)
{
    private readonly ulong mask = capacity - 1;
    private ulong tail;
    private ulong knownHead;

    /// <summary>The largest frame that the ring takes.</summary>
    public int LargestFrame { get; } = (int)(capacity / 4);

    /// <summary>Whether somebody sleeps at the other end and has to be woken: a fence, so ask as seldom as is right.</summary>
    public bool TakeSleeper()
    {
        Interlocked.MemoryBarrier();
        return Volatile.Read(ref control->ReaderSleeps) != 0 && Interlocked.Exchange(ref control->ReaderSleeps, 0) != 0;
    }

    public void Wake()
    {
        Interlocked.Increment(ref control->ReaderWakes);
        Linux.FutexWake(&control->ReaderWakes, 1);
    }

    /// <summary>A place for a frame, or null if the reader has to make room first.</summary>
    /// <param name="size">A multiple of 8, at most <see cref="LargestFrame"/>.</param>
    /// <exception cref="InvalidDataException">The other side has damaged the ring.</exception>
    public byte* TryReserve(int size)
    {
        if (capacity - (tail - knownHead) < (ulong)size)
        {
            ulong head = Volatile.Read(ref control->Head);
            if (tail - head > capacity || head < knownHead)
                throw new InvalidDataException($"The ring is damaged: its reader claims to be at {head}, its writer is at {tail}.");
            knownHead = head;
            if (capacity - (tail - head) < (ulong)size)
                return null;
        }

        return data + (tail & mask);
    }

    /// <summary>Makes the frame in the reserved place visible.</summary>
    public void Publish(int size)
    {
        tail += (ulong)size;
        Volatile.Write(ref control->Tail, tail);
    }

    /// <summary>Asks to be woken when there is room; false if there is room by now.</summary>
    public bool AwaitRoom(int size, out uint roomWakes)
    {
        roomWakes = Volatile.Read(ref control->RoomWakes);
        Volatile.Write(ref control->WriterWaits, 1);
        Interlocked.MemoryBarrier();
        return TryReserve(size) is null;
    }

    public void WaitForRoom(uint roomWakes) => Linux.FutexWait(&control->RoomWakes, roomWakes);
}

/// <summary>The reading end of a ring in shared memory. Everything that the writer's process can write is checked before it is used.</summary>
/// <inheritdoc cref="RingWriter"/>
[SupportedOSPlatform("linux")]
internal sealed unsafe class RingReader(RingControl* control, byte* data, uint capacity)
{
    private readonly ulong mask = capacity - 1;
    private ulong head;
    private ulong released;
    private ulong knownTail;

    public byte* Data => data;

    /// <summary>Whether no frame is there. Cheap: reads one word.</summary>
    public bool IsEmpty => head == knownTail && Volatile.Read(ref control->Tail) == head;

    /// <summary>The count to sleep on; read it before looking whether there is anything.</summary>
    public uint Wakes => Volatile.Read(ref control->ReaderWakes);

    /// <summary>The next frame's header, or null if there is none.</summary>
    /// <param name="available">How many bytes the writer has published from there on.</param>
    /// <exception cref="InvalidDataException">The other side has damaged the ring.</exception>
    public byte* TryPeek(out long available)
    {
        if (head == knownTail)
        {
            ulong tail = Volatile.Read(ref control->Tail);
            if (tail - head > capacity || (tail & 7) != 0)
                throw new InvalidDataException($"The ring is damaged: its writer claims to be at {tail}, its reader is at {head}.");
            knownTail = tail;
            if (tail == head)
            {
                available = 0;
                return null;
            }
        }

        available = (long)(knownTail - head);
        return data + (head & mask);
    }

    /// <summary>Where the next frame is or will be.</summary>
    public byte* Next => data + (head & mask);

    /// <summary>Steps over a frame; its bytes may be overwritten from the next <see cref="ReleaseAll"/> on.</summary>
    public void Consume(int size) => head += (ulong)size;

    /// <summary>Gives room back when it is worth it. True if the writer waits for room and has to be woken.</summary>
    public bool Release() => head - released >= capacity / 4 && ReleaseAll();

    /// <inheritdoc cref="Release"/>
    public bool ReleaseAll()
    {
        if (released == head)
            return false;
        released = head;
        Volatile.Write(ref control->Head, head);
        FaultPoint.Reach(FaultStep.RingReleased);
        Interlocked.MemoryBarrier();
        return Volatile.Read(ref control->WriterWaits) != 0 && Interlocked.Exchange(ref control->WriterWaits, 0) != 0;
    }

    public void WakeWriter()
    {
        Interlocked.Increment(ref control->RoomWakes);
        Linux.FutexWake(&control->RoomWakes, 1);
    }

    /// <summary>Whether this reader, once it sleeps, wants to be woken by the writer. True needs a look at the ring afterwards.</summary>
    public void SetSleeps(bool sleeps)
    {
        Volatile.Write(ref control->ReaderSleeps, sleeps ? 1 : 0);
        if (sleeps)
            FaultPoint.Reach(FaultStep.RingSleepAnnounced);
        if (sleeps)
            Interlocked.MemoryBarrier();
    }

    /// <summary>Sleeps until woken, unless that has happened since <paramref name="wakes"/> was read.</summary>
    public void Sleep(uint wakes)
    {
        FaultPoint.Reach(FaultStep.RingSleeping);
        Linux.FutexWait(&control->ReaderWakes, wakes);
    }

    /// <summary>Wakes this end's own sleeping thread.</summary>
    public void WakeSelf()
    {
        Interlocked.Increment(ref control->ReaderWakes);
        Linux.FutexWake(&control->ReaderWakes, int.MaxValue);
    }
}
