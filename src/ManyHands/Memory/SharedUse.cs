namespace ManyHands.Memory;

/// <summary>
/// One public object's use of a block. The block is given back when the object was disposed of and nothing is under way with it: a lock in shared memory must not be lost
/// while this process has it.
/// </summary>
/// <param name="giveBack">Called when nothing is under way any more.</param>
internal sealed class SharedUse(Action giveBack)
{
    private int count = 1;
    private int disposed;

    public SharedUse(SharedBlock block)
        : this(block.EndUser)
    {
    }

    public bool IsDisposed => Volatile.Read(ref disposed) != 0;

    /// <summary>From here to <see cref="End"/> the block stays.</summary>
    /// <exception cref="ObjectDisposedException">The object was disposed of.</exception>
    public void Begin(object owner)
    {
        int seen = Volatile.Read(ref count);
        while (true)
        {
            ObjectDisposedException.ThrowIf(seen == 0 || IsDisposed, owner);
            int found = Interlocked.CompareExchange(ref count, seen + 1, seen);
            if (found == seen)
                return;
            seen = found;
        }
    }

    public void End()
    {
        if (Interlocked.Decrement(ref count) == 0)
            giveBack();
    }

    /// <summary>True for the first call, which is to wake whoever waits.</summary>
    public bool Dispose() => Interlocked.Exchange(ref disposed, 1) == 0;
}
