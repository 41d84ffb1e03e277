using System.Runtime.InteropServices;

namespace ManyHands.Platform;

/// <summary>The words of a <see cref="WakeGate"/>, in memory that processes share.</summary>
[StructLayout(LayoutKind.Explicit, Size = 64)]
internal struct WakeWords
{
    /// <summary>Counts wake-ups; the word that is slept on.</summary>
    [FieldOffset(0)]
    public uint Signal;

    /// <summary>Counts those who were about to sleep.</summary>
    [FieldOffset(4)]
    public uint Announced;

    /// <summary>How many had been announced when last nobody was asleep.</summary>
    [FieldOffset(8)]
    public uint Served;
}

/// <summary>
/// Lets threads of any processes sleep until something changes, and costs whoever changes it no system call while nobody sleeps.
/// </summary>
/// <remarks>
/// Sleepers are counted when they come and never when they go, so that one which is killed leaves nothing wrong behind: the next wake-up finds nobody and takes
/// note of it. One that is killed right when it was the one to be woken takes the wake-up with it; so nobody may sleep for long without looking (<see cref="WaitAttempt"/>).
/// </remarks>
internal readonly unsafe struct WakeGate(WakeWords* words)
{
    private uint Announce()
    {
        uint signal = Volatile.Read(ref words->Signal);
        Interlocked.Increment(ref words->Announced);
        return signal;
    }

    /// <summary>What to sleep on until something changes. Look once more after the call whether there is anything to wait for.</summary>
    public WaitWord WaitWord => new((nint)(&words->Signal), Announce());

    public void WakeAll() => Wake(int.MaxValue);

    /// <summary>Wakes so many sleepers, if there are any. To be called after the change.</summary>
    public void Wake(int most = 1)
    {
        Interlocked.MemoryBarrier();
        WakeAfterExchange(most);
    }

    /// <summary>The same, right after an interlocked operation that came after the change, as leaving a lock is one.</summary>
    public void WakeAfterExchange(int most)
    {
        uint announced = Volatile.Read(ref words->Announced);
        if (announced == Volatile.Read(ref words->Served))
            return;
        Interlocked.Increment(ref words->Signal);
        if (Linux.FutexWake(&words->Signal, most) < most)
            Volatile.Write(ref words->Served, announced);
    }
}
