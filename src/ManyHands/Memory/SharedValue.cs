using System.Diagnostics;
using System.Numerics;
using System.Runtime.CompilerServices;
using ManyHands.Memory;
using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands;

/// <summary>
/// A value that processes share: a counter, a flag, a result so far. Every read and every change is atomic, whatever the type's size, and whoever is killed in the middle of a change has
/// made it or not.
/// </summary>
/// <remarks>
/// <para>Types of 1, 2, 4 or 8 bytes need no lock. Others are guarded by one that is held for the time of a copy, and that survives its holder.</para>
/// <para>On Linux only.</para>
/// </remarks>
/// <typeparam name="T">A type without references, such as a number, an enum or a struct of those; at most 4096 bytes.</typeparam>
public sealed unsafe class SharedValue<T> : ISharedValue<T>, ISharedObject<SharedValue<T>>, IDisposable
    where T : unmanaged
{
    private const int LargestSize = 4096;

    // A value in a cell of its own, or else a lock, the number of changes, and two places of which the number's lowest bit says the right one.
    private const int LockOffset = 0;
    private const int ChangesOffset = 8;
    private const int FirstOffset = 64;
    private const int SecondOffset = FirstOffset + LargestSize;

    private readonly SharedBlock block;
    private readonly SharedUse use;

    /// <summary>Makes a value.</summary>
    /// <param name="initial">What it is at first.</param>
    /// <exception cref="ArgumentException"><typeparamref name="T"/> has more than 4096 bytes, or a part of which nobody can say what bits it may have; the message says which.</exception>
    /// <exception cref="IOException">The machine has no memory left.</exception>
    /// <exception cref="PlatformNotSupportedException">Not on this system.</exception>
    public SharedValue(T initial = default)
        : this(SharedBlock.Create(SharedKind.Value, CheckedSize(), sizeof(T)))
    {
        if (FitsCell)
            *(ulong*)block.Body = ToBits(initial);
        else
            *Place(0) = initial;
    }

    private SharedValue(SharedBlock block)
    {
        this.block = block;
        use = new(block);
    }

    /// <summary>What it is now.</summary>
    /// <exception cref="CorruptSharedMemoryException">Another process has written bits that are no <typeparamref name="T"/>; to set it makes it one again.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    public T Value
    {
        get
        {
            use.Begin(this);
            try
            {
                return Checked(FitsCell ? FromBits(Volatile.Read(ref *(ulong*)block.Body)) : Read());
            }
            finally
            {
                use.End();
            }
        }

        set => Swap(value);
    }

    /// <summary>Sets it.</summary>
    /// <returns>What it was before.</returns>
    /// <exception cref="CorruptSharedMemoryException">It is set, but what it was before is no <typeparamref name="T"/>: another process has written other bits.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    public T Exchange(T value) => Checked(Swap(value));

    private T Swap(T value)
    {
        use.Begin(this);
        try
        {
            if (FitsCell)
                return FromBits(Interlocked.Exchange(ref *(ulong*)block.Body, ToBits(value)));
            Enter();
            T before = *Place(*Changes);
            Write(value);
            RobustLock.Exit(Lock);
            return before;
        }
        finally
        {
            use.End();
        }
    }

    /// <summary>Sets it if it is what you think it is: if all its fields are, bit by bit. What lies between the fields of a struct doesn't count.</summary>
    /// <param name="value">What to set it to.</param>
    /// <param name="comparand">What it has to be for that.</param>
    /// <returns>What it was before: the comparand, if it was set.</returns>
    /// <exception cref="CorruptSharedMemoryException">Another process has written bits that are no <typeparamref name="T"/>.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    public T CompareExchange(T value, T comparand) => Checked(CompareAndSwap(value, comparand));

    private T CompareAndSwap(T value, T comparand)
    {
        use.Begin(this);
        try
        {
            if (FitsCell)
                return CompareExchangeCell(value, comparand);
            Enter();
            T before = *Place(*Changes);
            if (ValueBytes<T>.AreSame(before, comparand))
                Write(value);
            RobustLock.Exit(Lock);
            return before;
        }
        finally
        {
            use.End();
        }
    }

    /// <summary>Changes it by a function of what it is.</summary>
    /// <param name="change">Returns the new value. It may be called several times, while others change the value too, so it should do nothing else; no lock is held meanwhile.</param>
    /// <returns>What it is after the change.</returns>
    /// <exception cref="CorruptSharedMemoryException">Another process has written bits that are no <typeparamref name="T"/>.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    public T Update(Func<T, T> change)
    {
        ArgumentNullException.ThrowIfNull(change);
        while (true)
        {
            T after = change(Checked(Look(out ulong version)));
            if (TryReplace(after, version))
                return after;
        }
    }

    /// <summary>This process has no more use for it; others keep theirs.</summary>
    public void Dispose()
    {
        if (use.Dispose())
            use.End();
    }

    /// <inheritdoc/>
    public override string ToString() => use.IsDisposed ? $"SharedValue<{typeof(T).Name}>" : $"SharedValue<{typeof(T).Name}>: {Value}";

    SharedReference ISharedObject<SharedValue<T>>.Refer()
    {
        ObjectDisposedException.ThrowIf(use.IsDisposed, this);
        return block.Refer();
    }

    static SharedValue<T> ISharedObject<SharedValue<T>>.Attach(in SharedReference reference)
    {
        SharedBlock block = SharedBlock.Attach(in reference, SharedKind.Value);
        if (block.Detail == sizeof(T) && block.BodySize >= CheckedSize())
            return new(block);
        long size = block.Detail;
        block.EndUser();
        throw new CorruptSharedMemoryException($"A SharedValue<{typeof(T).Name}> should have {sizeof(T)} bytes, and what is shared has {size}.");
    }

    private static bool FitsCell => sizeof(T) is 1 or 2 or 4 or 8;

    private ulong* Lock => (ulong*)(block.Body + LockOffset);

    private ulong* Changes => (ulong*)(block.Body + ChangesOffset);

    private static long CheckedSize()
    {
        if (RuntimeHelpers.IsReferenceOrContainsReferences<T>())
            throw new ArgumentException($"{typeof(T)} has references, which mean nothing in another process; share a struct of numbers.");
        if (BitPatterns<T>.WhyUnknown is { } refusal)
            throw new ArgumentException(ExceptionText.MessageOf(refusal.ToException(typeof(T))));
        if (sizeof(T) > LargestSize)
            throw new ArgumentException($"{typeof(T)} has {sizeof(T):N0} bytes, and a shared value at most {LargestSize:N0}; take a SharedArray with a lock.");
        return FitsCell ? sizeof(ulong) : SecondOffset + LargestSize;
    }

    // A copy, which nobody else can change any more.
    private static T Checked(T value) => BitPatterns<T>.IsValue(in value)
        ? value
        : throw new CorruptSharedMemoryException($"Another process has written bits into a SharedValue<{typeof(T).Name}> that are no {typeof(T).Name}. Set it, and find out who did that.");

    private static ulong ToBits(T value)
    {
        ulong bits = 0;
        Unsafe.WriteUnaligned(&bits, value);
        return bits;
    }

    private static T FromBits(ulong bits) => Unsafe.ReadUnaligned<T>(&bits);

    private T* Place(ulong changes) => (T*)(block.Body + ((changes & 1) == 0 ? FirstOffset : SecondOffset));

    // Who died under it had either counted its change or not: there is nothing to mend.
    private void Enter()
    {
        RobustLock.Enter(Lock, Timeout.InfiniteTimeSpan, CancellationToken.None, out _);
        FaultPoint.Reach(FaultStep.ValueGuarded);
    }

    private T CompareExchangeCell(T value, T comparand)
    {
        ulong* cell = (ulong*)block.Body;
        if (!ValueBytes<T>.HasGaps)
            return FromBits(Interlocked.CompareExchange(ref *cell, ToBits(value), ToBits(comparand)));
        ulong seen = Volatile.Read(ref *cell);
        while (true)
        {
            T before = FromBits(seen);
            if (!ValueBytes<T>.AreSame(before, comparand))
                return before;
            ulong found = Interlocked.CompareExchange(ref *cell, ToBits(value), seen);
            if (found == seen)
                return before;
            seen = found;
        }
    }

    /// <param name="version">By what is told whether it has been set since: the bits of its cell, as they are there and not as a copy has them, or the number of changes.</param>
    private T Look(out ulong version)
    {
        use.Begin(this);
        try
        {
            if (FitsCell)
                return FromBits(version = Volatile.Read(ref *(ulong*)block.Body));
            Enter();
            version = *Changes;
            T value = *Place(version);
            RobustLock.Exit(Lock);
            return value;
        }
        finally
        {
            use.End();
        }
    }

    private bool TryReplace(T value, ulong version)
    {
        use.Begin(this);
        try
        {
            if (FitsCell)
                return Interlocked.CompareExchange(ref *(ulong*)block.Body, ToBits(value), version) == version;
            Enter();
            bool isUnchanged = *Changes == version;
            if (isUnchanged)
                Write(value);
            RobustLock.Exit(Lock);
            return isUnchanged;
        }
        finally
        {
            use.End();
        }
    }

    private T Read()
    {
        Enter();
        T value = *Place(*Changes);
        RobustLock.Exit(Lock);
        return value;
    }

    private void Write(T value)
    {
        T* place = Place(*Changes + 1);
        WriteHalf(place, value);
        *place = value;
        FaultPoint.Reach(FaultStep.ValueWritten);
        Volatile.Write(ref *Changes, *Changes + 1);
        FaultPoint.Reach(FaultStep.ValueCounted);
    }

    // A copy has no middle that code could come by, so where faults can happen it is made in two.
    [Conditional("DEBUG")]
    private static void WriteHalf(T* place, T value)
    {
        Buffer.MemoryCopy(&value, place, sizeof(T), sizeof(T) / 2);
        FaultPoint.Reach(FaultStep.ValueHalfWritten);
    }
}

/// <summary>Arithmetic on shared numbers.</summary>
public static class SharedNumber
{
    /// <summary>Adds to it.</summary>
    /// <param name="number">The number.</param>
    /// <param name="addend">How much; overflow wraps for integers.</param>
    /// <returns>What it is after that.</returns>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    public static T Add<T>(this SharedValue<T> number, T addend)
        where T : unmanaged, INumber<T>
    {
        ArgumentNullException.ThrowIfNull(number);
        return number.Update(before => unchecked(before + addend));
    }

    /// <summary>Adds 1 to it.</summary>
    /// <inheritdoc cref="Add"/>
    public static T Increment<T>(this SharedValue<T> number)
        where T : unmanaged, INumber<T> => Add(number, T.One);

    /// <summary>Takes 1 from it.</summary>
    /// <inheritdoc cref="Add"/>
    public static T Decrement<T>(this SharedValue<T> number)
        where T : unmanaged, INumber<T> => Add(number, -T.One);
}
